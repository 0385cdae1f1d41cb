"""What every script shares: options that must be numbers, and a bar of progress."""

import argparse

import pytest

from sense.command import positive, with_progress


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "", "many", "²"])
def test_option_that_is_no_number_above_zero_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="expected a whole number above 0"):
        positive(text)
    assert positive("12") == 12


def test_progress_gives_the_items_and_says_their_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(with_progress(["a", "b"], "dev", unit="row")) == ["a", "b"]
    assert "dev: 100%" in capsys.readouterr().err
