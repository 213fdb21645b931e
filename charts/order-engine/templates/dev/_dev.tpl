{{/* The probes of the dev databases, which fail after so many tries. */}}
{{- define "order-engine.postgres.probe" -}}
exec:
  command: [pg_isready, --quiet, --host=127.0.0.1, --username=orders, --dbname=orders]
periodSeconds: 5
timeoutSeconds: 3
failureThreshold: {{ . }}
{{- end -}}
{{- define "order-engine.redis.probe" -}}
tcpSocket:
  port: redis
periodSeconds: 5
timeoutSeconds: 3
failureThreshold: {{ . }}
{{- end -}}
