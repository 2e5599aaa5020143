"""`python -m infra.config`: write the schemas and docs/configuration.md."""

from infra.config.generated import generated
from libs.base.environment import REPOSITORY

for path, text in generated().items():
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    print(path.relative_to(REPOSITORY))
