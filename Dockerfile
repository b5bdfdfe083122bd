# Everything that fakeforensics and the pipeline need; docs/setup.md shows how to use it.
#   docker build -t fake-forensics .                                  CUDA: run it with --gpus all
#   docker build -t fake-forensics --build-arg TORCH_INDEX=URL .      torch from another package index, for a CPU
ARG PYTHON=3.11

FROM python:${PYTHON}-slim AS build
ARG TORCH_INDEX=
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH
WORKDIR /build
COPY constraints.txt ./
# The registry's wheels of torch bring CUDA, 3 GB; those of PyTorch's own index for CPUs do not.
RUN if [ -n "$TORCH_INDEX" ]; then \
      grep -E '^(torch|torchvision)==' constraints.txt >torch.txt && \
      PIP_INDEX_URL="$TORCH_INDEX" pip install --no-deps --requirement torch.txt; \
    fi
COPY pyproject.toml README.md LICENSE ./
COPY src ./src
RUN pip install --constraint constraints.txt '.[pipeline,faces,cluster,data,demo,explain,export,app]'

FROM python:${PYTHON}-slim
# git: DVC needs it. make: the project's own commands.
# hadolint ignore=DL3008
RUN apt-get update && apt-get install --yes --no-install-recommends git make && rm -rf /var/lib/apt/lists/*
COPY --from=build /opt/venv /opt/venv
RUN useradd --create-home --uid 1000 user && install --directory --owner=user /project
ENV PATH=/opt/venv/bin:$PATH MPLCONFIGDIR=/tmp/matplotlib
USER 1000
WORKDIR /project
EXPOSE 7860
ENTRYPOINT ["fakeforensics"]
CMD ["serve", "--host", "0.0.0.0"]
