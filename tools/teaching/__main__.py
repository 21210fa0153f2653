"""`python -m stratos.tools.teaching job.json`: makes rationales for examples whose answers are known."""

from ..jobs import main
from .rationales import RationalesJob, run

if __name__ == "__main__":
    main(RationalesJob, run)
