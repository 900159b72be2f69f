# The repository with all it needs, for sites that run containers (docs/clusters.md, "A container"):
#     docker build -f envs/aia.Dockerfile -t aia .
# The workflow is /opt/aia/Snakefile; results are written to the folder that is mounted at /site.
FROM python:3.11.11-slim-bookworm

# bsdtar opens UCF101's .rar
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libarchive-tools \
    && rm -rf /var/lib/apt/lists/*

# Apart from the program, which changes more often.
COPY requirements.lock /opt/aia/
RUN pip install --no-cache-dir --requirement /opt/aia/requirements.lock

COPY pyproject.toml README.md LICENSE Snakefile config.yaml /opt/aia/
COPY aia /opt/aia/aia
COPY config /opt/aia/config
COPY workflow /opt/aia/workflow
COPY profiles /opt/aia/profiles
COPY envs /opt/aia/envs
RUN pip install --no-cache-dir --no-deps --editable /opt/aia

# Apptainer, and docker with --user, run it as somebody without a home here.
ENV XDG_CACHE_HOME=/tmp/cache \
    MPLCONFIGDIR=/tmp/matplotlib \
    PYTHONUNBUFFERED=1
WORKDIR /site
