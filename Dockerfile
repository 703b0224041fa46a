# svcd as the init of a container:
#
#   docker build -t svcd .
#   docker run --name box -v ./my-services:/opt/svcd/services.d:ro svcd
#   docker exec box svctl status
#   docker stop -t 60 box        # every service is asked to end and gets its stop_grace_period

FROM node:24-bookworm-slim AS build
WORKDIR /opt/svcd
COPY package.json package-lock.json ./
# Exactly the lock file; no package runs a script of its own. The pinned Node comes with the optional packages.
RUN npm ci --ignore-scripts --include=dev --include=optional --no-audit --no-fund \
 && cp package-lock.json node_modules/.svcd-lock
COPY . .
RUN sh scripts/build.sh
# What runs: the launchers, the bundles, and of node_modules the Node binary alone.
RUN mkdir -p /out/opt/svcd \
 && cp -a bin dist services.d cron.d LICENSE package.json /out/opt/svcd/ \
 && for node in node_modules/node-linux-*/bin; do \
      mkdir -p "/out/opt/svcd/${node%/bin}" && cp -a "$node" "/out/opt/svcd/$node"; \
    done

FROM debian:bookworm-slim
# tini reaps orphans as PID 1; curl is for services.d/score-check.yaml; setpriv and prlimit are in the base image.
RUN apt-get update \
 && apt-get install -y --no-install-recommends tini curl ca-certificates \
 && rm -rf /var/lib/apt/lists/*
COPY --from=build /out/ /
RUN ln -s /opt/svcd/bin/svcd /opt/svcd/bin/svctl /usr/local/bin/
# Services, jobs, run, state and log are all below this directory; svctl finds the daemon by it too.
ENV SVCD_ROOT=/opt/svcd
# SIGTERM to svcd stops every service in order, then svcd itself.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s CMD ["svctl", "pid"]
ENTRYPOINT ["/usr/bin/tini", "--", "svcd"]
