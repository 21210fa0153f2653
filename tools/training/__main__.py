"""Entry point of the training job: `python -m stratos.tools.training job.json`."""

from ..jobs import main
from .students import TrainJob
from .train import train

main(TrainJob, train)
