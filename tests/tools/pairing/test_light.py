"""The pre-flight and the ranking are imported with every plan: they load nothing heavy until they are used."""

import subprocess
import sys


def test_importing_them_loads_no_heavy_package() -> None:
    code = (
        "import sys; import stratos.tools.pairing.preflight, stratos.tools.pairing.ranking; "
        "import stratos.tools.training.distillation_loss; "
        "print([name for name in ('numpy', 'torch', 'transformers', 'tokenizers', 'jinja2') if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
