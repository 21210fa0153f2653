"""Tunes models that already exist as a Hugging Face checkpoint on this machine: full, LoRA or QLoRA, on answers or on a verifier's reward.

`python -m stratos.tools.tuning job.json` runs one job on one device. On a machine with several GPUs the same job is started as
`accelerate launch --multi_gpu --num_processes N --module stratos.tools.tuning job.json`, or with `torchrun --nproc-per-node N -m`: each
process then learns its own share of every step's batches, and the first one alone writes files. (Tested with two processes on a CPU.)
No weights are downloaded: `model` is a folder.
"""
