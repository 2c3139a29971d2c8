# Debian, not Alpine: Temporal's core bridge is built against glibc.
FROM node:22.22.0-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# Without scripts, because `prepare` builds and the sources are not here yet; this layer changes only with the lockfile.
RUN npm ci --ignore-scripts
COPY tsconfig.json tsconfig.build.json ./
COPY scripts scripts
COPY src src
RUN npm run build
RUN npm prune --omit=dev --ignore-scripts
# The core bridge comes with the binaries of five platforms.
RUN find node_modules/@temporalio/core-bridge/releases -mindepth 1 -maxdepth 1 ! -name "$(uname -m)-unknown-linux-gnu" -exec rm -r {} +

FROM node:22.22.0-bookworm-slim
# For TLS to a Temporal of one's own: its core reads the system's certificates.
RUN apt-get update && apt-get install --yes --no-install-recommends ca-certificates && rm -rf /var/lib/apt/lists/*
ENV NODE_ENV=production
WORKDIR /app
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules node_modules
COPY --from=build /app/dist dist
USER 1000:1000
CMD ["node", "dist/cli/main.js", "worker"]
HEALTHCHECK --interval=60s --timeout=15s --start-period=60s CMD ["node", "dist/cli/main.js", "worker-health"]
