# The image runs as user 65532 and writes only to /data:
#   docker run --rm --read-only --tmpfs /tmp --volume sagemaker:/data IMAGE sync --region eu-west-1
FROM python:3.13-slim-bookworm AS build

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1
WORKDIR /src
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY exporter exporter
COPY migrations migrations
COPY queries queries
# Compile bytecode now, because the running image cannot write it.
RUN python -m venv /opt/sagemaker-exporter \
    && /opt/sagemaker-exporter/bin/pip install --compile --constraint constraints.txt '.[all]' \
    && /opt/sagemaker-exporter/bin/sagemaker-exporter --version

FROM python:3.13-slim-bookworm

RUN groupadd --system --gid 65532 exporter \
    && useradd --system --uid 65532 --gid exporter --no-log-init --home-dir /data \
        --shell /usr/sbin/nologin exporter \
    && install --directory --owner=exporter --group=exporter --mode=0700 /data
COPY --from=build /opt/sagemaker-exporter /opt/sagemaker-exporter

ENV PATH=/opt/sagemaker-exporter/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    SAGEMAKER_EXPORTER_DB=/data/sagemaker.duckdb
USER 65532:65532
WORKDIR /data
VOLUME /data
ENTRYPOINT ["sagemaker-exporter"]
CMD ["--help"]
