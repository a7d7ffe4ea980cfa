# Mimo with Node and uv, for skills that `npx` and `uvx` start:
#
#   docker build -f install/container/node.Dockerfile -t mimo-node .
#
# It takes the program from the image `mimo` (see Dockerfile beside it).
ARG MIMO=mimo:latest
ARG UV=ghcr.io/astral-sh/uv:0.9
# hadolint ignore=DL3006
FROM ${MIMO} AS mimo
# hadolint ignore=DL3006
FROM ${UV} AS uv

FROM node:24-bookworm-slim
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates python3 \
    && rm -rf /var/lib/apt/lists/* \
    && mkdir /data \
    && chown 65532:65532 /data
COPY --from=mimo /mimo /usr/local/bin/mimo
COPY --from=mimo /etc/mimo /etc/mimo
COPY --from=uv /uv /uvx /usr/local/bin/
# Skills keep what they download below HOME.
ENV MIMO_DATA_DIR=/data MIMO_CONFIG_DIR=/etc/mimo HOME=/data
USER 65532:65532
EXPOSE 8420 9420
VOLUME ["/data"]
ENTRYPOINT ["mimo"]
CMD ["serve", "--http"]
