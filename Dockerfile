# syntax=docker/dockerfile:1
# One image for the operator, the agents and the CLI: Node, one bundled program and its migrations, a few small programs; no shell, no package manager.
FROM node:24-bookworm-slim AS build
WORKDIR /build/src
COPY package.json package-lock.json ./
# What the program is made of, and apart from it (in /build, where /build/src looks next) the bundler.
RUN npm ci --ignore-scripts --omit=dev --omit=optional --no-audit --no-fund --loglevel=error \
 && npm install --prefix /build --ignore-scripts --no-save --no-package-lock --no-audit --no-fund --loglevel=error \
      "esbuild@$(node -p "require('./package.json').devDependencies.esbuild")"
# What is in it: a CycloneDX bill of materials of the npm packages, /app/sbom.cdx.json in the image.
RUN mkdir -p /out/app && npm sbom --sbom-format=cyclonedx --package-lock-only --omit=dev --omit=optional > /out/app/sbom.cdx.json
COPY tsconfig.json ./
COPY dev/bundle.ts dev/bundle-console.ts dev/
COPY src src
RUN node dev/bundle.ts /out/app
# What a `commands` tool may name (docs/tools.md): programs that look at and change files. None is a shell, or there to start another program.
ARG PROGRAMS="base64 basename cat cksum comm cp cut date df diff dirname du echo false fmt fold grep head join ls md5sum mkdir mv nl paste printf pwd readlink realpath rm rmdir seq sha256sum sleep sort stat tac tail touch tr true truncate uniq wc"
# They, node, and the libraries that these need; nothing else of the distribution.
RUN mkdir -p /rootfs/etc /rootfs/tmp /rootfs/usr/local/bin \
 && cp /usr/local/bin/node /rootfs/usr/local/bin/ \
 && mkdir -p /rootfs/usr/bin && for program in $PROGRAMS; do cp -L "/usr/bin/$program" /rootfs/usr/bin/ || exit 1; done \
 && for library in $(ldd /rootfs/usr/local/bin/node /rootfs/usr/bin/* | grep -o '[[:space:]]/[^ ]*'); do mkdir -p "/rootfs$(dirname "$library")" && cp -L "$library" "/rootfs$library"; done \
 && for library in libnss_dns.so.2 libnss_files.so.2 libresolv.so.2; do path=$(find /lib /usr/lib -name "$library" | head -n 1) && mkdir -p "/rootfs$(dirname "$path")" && cp -L "$path" "/rootfs$path"; done \
 && echo 'agentpg:x:1000:1000::/tmp:/nonexistent' > /rootfs/etc/passwd \
 && echo 'agentpg:x:1000:' > /rootfs/etc/group \
 && echo 'hosts: files dns' > /rootfs/etc/nsswitch.conf \
 && chmod 1777 /rootfs/tmp

FROM scratch
COPY --from=build /rootfs /
COPY --from=build /out/app /app
COPY migrations /app/migrations
USER 1000:1000
WORKDIR /tmp
ENV NODE_ENV=production
ENTRYPOINT ["/usr/local/bin/node", "/app/agentpg.mjs"]
