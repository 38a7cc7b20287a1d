"""What the command line says to what it cannot use."""

from __future__ import annotations

import pytest

from rapida_media.cli import main


@pytest.mark.parametrize("seconds", ["soon", "0", "-1", "nan", "1e9"])
def test_a_duration_that_is_none_is_told_in_words(
    seconds: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        main(["call", "sip:echo@127.0.0.1", "--duration", seconds])
    assert left.value.code == 2
    said = capsys.readouterr().err
    assert f"argument --duration: expected seconds above 0, up to 86400, got '{seconds}'" in said
