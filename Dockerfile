# dalogd, and dalogfwd beside it, in an image with nothing else in it, from the
# binaries that `make dist` has built: nothing comes from a registry.
#
#   make dist && docker build -t dalog .        (or make image, with buildah)
#   docker run -d --name dalogd -v logs:/usr/share/docassemble/log \
#       -p 514:514 -p 514:514/udp -p 8080:8080 -p 8082:8082 dalog
#   docker run --rm --entrypoint /bin/dalogfwd dalog --help
#
# It runs as 33:33, which is www-data in Debian, Ubuntu and docassemble's own
# image: the log files keep the owner that docassemble expects. Docker lets any
# user bind port 514 in a container. Where the runtime does not (Kubernetes
# before containerd 2.0), set the pod's sysctl net.ipv4.ip_unprivileged_port_start
# to 0, or run as root with --user 0:0.
FROM scratch
# Set by the builder to the processor that it builds for: amd64 or arm64.
ARG TARGETARCH=amd64
ARG VERSION=unknown
LABEL org.opencontainers.image.title="dalog" \
      org.opencontainers.image.description="Central syslog receiver and log reader for docassemble clusters" \
      org.opencontainers.image.source="https://github.com/dalog-project/dalog" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="$VERSION"
COPY dist/linux-$TARGETARCH/dalogd dist/linux-$TARGETARCH/dalogfwd /bin/
# A new named volume takes over the owner of the folder it is mounted on.
COPY --chown=33:33 dist/image/ /
USER 33:33
# Nothing but dalogd has to get ready in this container.
ENV DALOGD_READY_FILE=none
VOLUME /usr/share/docassemble/log
EXPOSE 514/tcp 514/udp 8080 8082
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s CMD ["/bin/dalogd", "healthcheck"]
ENTRYPOINT ["/bin/dalogd"]
