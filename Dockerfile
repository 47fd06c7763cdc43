# The image of `mcs agent` and `mcs scheduler`; `mcs manifests` prints the YAML that runs it.
#     docker build -t mcs:latest .
FROM python:3.11-slim AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY mcs mcs
RUN python -m venv /opt/mcs && /opt/mcs/bin/pip install --no-cache-dir .

FROM python:3.11-slim
COPY --from=build /opt/mcs /opt/mcs
ENV PATH=/opt/mcs/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 65532:65532
ENTRYPOINT ["mcs"]
CMD ["--help"]
