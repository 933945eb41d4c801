import subprocess
import sys


def test_errors_are_imported_without_pydantic():
    code = (
        "import sys, policies.errors; assert 'pydantic' not in sys.modules; from policies import Policy; "
        "assert 'pydantic' in sys.modules; assert 'presidio_analyzer' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_unknown_attribute():
    import policies

    assert not hasattr(policies, "Polcy")
