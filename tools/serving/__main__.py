"""`python -m stratos.tools.serving DIR/job.json`: serves a model until told to stop."""

import os
import sys

from ..jobs import main
from .job import ServeJob, run

main(ServeJob, run)
sys.stdout.flush()
# Not the interpreter's own end: it may wait for a batch in C++ code, and takes seconds to take torch down where a first
# conversion loaded it (3 s measured on a busy machine). Everything is written; there is nothing left to tidy.
os._exit(0)
