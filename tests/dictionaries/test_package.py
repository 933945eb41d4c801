import subprocess
import sys

import pytest

import dictionaries


def test_every_public_name_is_there():
    for name in dictionaries.__all__:
        assert getattr(dictionaries, name) is not None
    with pytest.raises(AttributeError, match="nonsense"):
        _ = dictionaries.nonsense


def test_importing_the_package_does_not_import_torch():
    code = "import sys, dictionaries; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
