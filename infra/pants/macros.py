"""Macros of the BUILD files. Pants loads this file as their prelude and gives it the `__dependencies_rules__` call."""


def may_import(*allowed):
    """Let the code of this folder import the folder itself, requirements and `allowed`; anything else fails by name."""
    __dependencies_rules__(("*", "<python_requirements>", "/**", *allowed, "!*"))  # noqa: F821
