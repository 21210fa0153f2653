# Stratos in a container: target `cpu`, the default, and target `gpu`; they differ in their torch alone.
#   docker build --target cpu --tag stratos:0.1.0-cpu .
#   docker build --target gpu --tag stratos:0.1.0-gpu .
# Every Python package has the version that constraints.txt gives. The base image is named by its tag; where its bytes must not change
# either, name its digest: --build-arg PYTHON_IMAGE=python@sha256:...
ARG PYTHON_IMAGE=python:3.11.14-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /build
RUN python -m venv /opt/stratos
COPY constraints.txt ./

# The wheel is made apart, so that changed code does not install a single package anew.
FROM build AS package
RUN python -m venv /opt/tools && /opt/tools/bin/pip install -c constraints.txt setuptools wheel
COPY . .
RUN /opt/tools/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /wheel .

# torch first and alone: it is most of the bytes and changes least. Without its dependencies here: PyTorch's index has its own copies of
# them, in other versions.
FROM build AS packages-cpu
ARG TORCH_INDEX_URL=https://download.pytorch.org/whl/cpu
RUN /opt/stratos/bin/pip install --no-deps --index-url "${TORCH_INDEX_URL}" -c constraints.txt torch
COPY pyproject.toml deploy/requirements.py ./
RUN python requirements.py math sites tuning > requirements.txt \
    && /opt/stratos/bin/pip install -c constraints.txt -r requirements.txt

# PyPI's own build of torch is the one with CUDA. The driver is the host's.
FROM build AS packages-gpu
COPY deploy/constraints-gpu.txt ./
RUN /opt/stratos/bin/pip install -c constraints-gpu.txt -c constraints.txt torch
COPY pyproject.toml deploy/requirements.py ./
RUN python requirements.py math sites tuning > requirements.txt \
    && /opt/stratos/bin/pip install -c constraints.txt -r requirements.txt

FROM ${PYTHON_IMAGE} AS runtime
LABEL org.opencontainers.image.title="Stratos" \
      org.opencontainers.image.description="One sentence in, a measured and served small language model out." \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.licenses="Apache-2.0"
# tini waits for the jobs that a killed run leaves behind, and hands signals on: to a process with the number 1 they mean nothing.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends 'tini=0.19.*' \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --user-group --create-home stratos \
    && install --directory --owner stratos --group stratos /workspace /models /files
# USER is said because torch asks who it runs as, and an orchestrator may choose a number that has no name. Caches go where a read-only
# container can write.
ENV PATH=/opt/stratos/bin:$PATH \
    USER=stratos \
    HOME=/home/stratos \
    XDG_CACHE_HOME=/tmp/cache \
    MPLCONFIGDIR=/tmp/matplotlib \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    STRATOS_WORKSPACE=/workspace
# What `python -m stratos.tools.serving.container` listens on. The agent itself listens on nothing.
EXPOSE 8000
# The agent's commands end by themselves; a server's health is asked for where one is started (compose.yaml, deploy/kubernetes).
HEALTHCHECK NONE
# Ctrl-C's signal: upon it a run ends its jobs, leaves the journal whole and says how it is resumed.
STOPSIGNAL SIGINT
ENTRYPOINT ["tini", "-g", "--", "stratos"]
CMD ["--help"]

FROM runtime AS gpu
ENV NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
COPY --from=packages-gpu /opt/stratos /opt/stratos
RUN --mount=type=bind,from=package,source=/wheel,target=/wheel \
    pip install --no-cache-dir --no-deps /wheel/*.whl && pip check && stratos --version
WORKDIR /files
VOLUME ["/workspace", "/models"]
USER 10001:10001

FROM runtime AS cpu
COPY --from=packages-cpu /opt/stratos /opt/stratos
RUN --mount=type=bind,from=package,source=/wheel,target=/wheel \
    pip install --no-cache-dir --no-deps /wheel/*.whl && pip check && stratos --version
WORKDIR /files
VOLUME ["/workspace", "/models"]
USER 10001:10001
