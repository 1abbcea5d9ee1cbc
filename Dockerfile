# For `container:` jobs, Jobs and Spaces of the Hub, and any machine with a container runtime. On a GPU: TORCH=cuda, which brings CUDA's
# libraries along, so that the base stays slim.
ARG PYTHON=docker.io/library/python:3.13-slim

FROM ${PYTHON} AS build
# Which torch, as for the Action: cpu, cuda, or skip, which is enough for `plan` and `verify`.
ARG TORCH=cpu
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
WORKDIR /build
COPY requirements.lock constraints.txt ./
RUN set -eu; \
    python3 -m venv /opt/adapter-merge; \
    set -- /opt/adapter-merge/bin/python -m pip install --no-cache-dir --quiet --disable-pip-version-check; \
    "$@" --require-hashes --no-deps --only-binary :all: --requirement requirements.lock; \
    torch="$(grep '^torch==' constraints.txt)"; \
    case "$TORCH" in \
      cpu) "$@" --no-deps --index-url "$TORCH_INDEX" "$torch" ;; \
      cuda) "$@" "$torch" ;; \
      skip) ;; \
      *) echo "TORCH is cpu, cuda or skip" >&2; exit 2 ;; \
    esac
COPY pyproject.toml README.md LICENSE ./
COPY src src
RUN /opt/adapter-merge/bin/python -m pip install --quiet --no-index --no-deps --no-build-isolation .

FROM ${PYTHON}
COPY --from=build /opt/adapter-merge /opt/adapter-merge
RUN useradd --create-home --uid 1000 merge && install --directory --owner merge /data /data/huggingface
ENV HF_HOME=/data/huggingface PATH=/opt/adapter-merge/bin:$PATH PYTHONUNBUFFERED=1
USER 1000
WORKDIR /home/merge
VOLUME /data/huggingface
ENTRYPOINT ["adapter-merge"]
CMD ["--help"]
