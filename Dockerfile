# syntax=docker/dockerfile:1
FROM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
# Static, so that the image needs nothing but the program and the authorities.
RUN CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o /out/relayd ./cmd/relayd \
 && install -d -m 0700 /out/state

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/relayd /usr/bin/relayd
COPY deploy/container.yaml /etc/relayd/config.yaml
COPY --from=build --chown=65532:65532 /out/state /var/lib/relayd
ENV RELAYD_CONFIG=/etc/relayd/config.yaml PATH=/usr/bin
USER 65532:65532
VOLUME /var/lib/relayd
EXPOSE 2587 2465
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s CMD ["/usr/bin/relayd", "health"]
ENTRYPOINT ["/usr/bin/relayd"]
CMD ["serve"]
