# syntax=docker/dockerfile:1
#
# dalogd, and dalogfwd beside it, in an image with nothing else in it.
#
#   docker build -t dalog .
#   docker run -d --name dalogd -v logs:/usr/share/docassemble/log \
#       -p 514:514 -p 514:514/udp -p 8080:8080 -p 8082:8082 dalog
#   docker run --rm --entrypoint /bin/dalogfwd dalog --help
#
# It runs as 33:33, which is www-data in Debian, Ubuntu and docassemble's own
# image: the log files keep the owner that docassemble expects. Docker lets any
# user bind port 514 in a container. Where the runtime does not (Kubernetes
# before containerd 2.0), set the pod's sysctl net.ipv4.ip_unprivileged_port_start
# to 0, or run as root with --user 0:0.

FROM --platform=$BUILDPLATFORM golang:1.26.8-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY cmd cmd
COPY internal internal
ARG TARGETOS TARGETARCH VERSION=unknown
# timetzdata: the image has no zone files for zones named in the configuration.
RUN CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH go build -trimpath -tags timetzdata \
        -ldflags "-s -w -X main.version=$VERSION" -o /out/bin/ ./cmd/dalogd ./cmd/dalogfwd \
    && mkdir -p /out/data/usr/share/docassemble/log /out/data/var/lib/dalogfwd

FROM scratch
ARG VERSION=unknown
LABEL org.opencontainers.image.title="dalog" \
      org.opencontainers.image.description="Central syslog receiver and log reader for docassemble clusters" \
      org.opencontainers.image.source="https://github.com/dalog-project/dalog" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="$VERSION"
COPY --from=build /out/bin/ /bin/
# A new named volume takes over the owner of the folder it is mounted on.
COPY --from=build --chown=33:33 /out/data/ /
USER 33:33
# Nothing but dalogd has to get ready in this container.
ENV DALOGD_READY_FILE=none
VOLUME /usr/share/docassemble/log
EXPOSE 514/tcp 514/udp 8080 8082
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s CMD ["/bin/dalogd", "healthcheck"]
ENTRYPOINT ["/bin/dalogd"]
