import subprocess
import sys


def test_import_needs_neither_presidio_nor_spacy_nor_torch():
    code = (
        "import sys, detectors; heavy = {'presidio_analyzer', 'spacy', 'torch', 'transformers'} & set(sys.modules); "
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
