# Everything that fakeforensics and the pipeline need; docs/setup.md shows how to use it.
#   docker build -t fake-forensics .                            CPU
#   docker build -t fake-forensics --build-arg DEVICE=cuda .    CUDA: run it with --gpus all
ARG PYTHON=3.11

FROM python:${PYTHON}-slim AS build
ARG DEVICE=cpu
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH
WORKDIR /build
COPY constraints.txt ./
# The registry's own wheels of torch bring CUDA, 3 GB; PyTorch's index has those without. Only torch comes from there.
RUN if [ "$DEVICE" = cpu ]; then \
      grep -E '^(torch|torchvision)==' constraints.txt >torch.txt && \
      pip install --no-deps --index-url https://download.pytorch.org/whl/cpu --requirement torch.txt; \
    fi
COPY pyproject.toml README.md LICENSE ./
COPY src ./src
RUN pip install --constraint constraints.txt '.[pipeline,faces,cluster,data,demo,explain,export,app]'

FROM python:${PYTHON}-slim
# git: DVC needs it. make: the project's own commands.
# hadolint ignore=DL3008
RUN apt-get update && apt-get install --yes --no-install-recommends git make && rm -rf /var/lib/apt/lists/*
COPY --from=build /opt/venv /opt/venv
RUN useradd --create-home --uid 1000 user && install --directory --owner=user /work
ENV PATH=/opt/venv/bin:$PATH MPLCONFIGDIR=/tmp/matplotlib
USER 1000
WORKDIR /work
EXPOSE 7860
ENTRYPOINT ["fakeforensics"]
CMD ["serve", "--host", "0.0.0.0"]
