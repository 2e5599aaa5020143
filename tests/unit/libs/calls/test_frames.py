"""What goes over the wire of a direct call."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.base.errors import DataError, InvariantError, TransientError
from libs.calls.connection import ReplicaLost
from libs.calls.frames import Busy, CalledFailed, Frames, Kind, decode_failure, encode_failure, frame

FRAMES = st.lists(st.tuples(st.sampled_from(Kind), st.integers(0, 2**32 - 1), st.binary(max_size=200)), max_size=8)


@given(FRAMES, st.lists(st.integers(1, 50), min_size=1))
def test_frames_come_out_as_they_went_in_however_they_are_cut(
    sent: list[tuple[Kind, int, bytes]], cuts: list[int]
) -> None:
    stream = b"".join(frame(*one) for one in sent)
    frames, received, start, turn = Frames(), [], 0, 0
    while start < len(stream):
        end = start + cuts[turn % len(cuts)]
        received += list(frames.feed(stream[start:end]))
        start, turn = end, turn + 1
    assert received == sent


@pytest.mark.parametrize("noise", [b"GET / HTTP/1.1\r\n\r\n", frame(Kind.CALL, 1)[:4] + b"\xff" + b"\0" * 4])
def test_what_is_no_frame_is_refused(noise: bytes) -> None:
    with pytest.raises(ValueError, match=r"frame of|not a valid Kind"):
        list(Frames().feed(noise))


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (DataError("d"), DataError),
        (TransientError("t"), TransientError),
        (InvariantError("i"), InvariantError),
        (Busy("b"), Busy),
        # A replica lost behind the one that was called is a fault of the moment, but not the caller's to try again.
        (ReplicaLost("r"), TransientError),
        (KeyError("k"), CalledFailed),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_error_is_raised_as_what_it_was(error: Exception, raised: type[Exception]) -> None:
    travelled = decode_failure(encode_failure(error))
    assert type(travelled) is raised
    assert str(error) in str(travelled)


def test_of_a_bug_the_name_travels() -> None:
    assert str(decode_failure(encode_failure(KeyError("market")))) == "KeyError: 'market'"
