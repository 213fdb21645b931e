{{/* KEDA's triggers, one for each value of `autoscaling.trigger`. All of them read the backlog. */}}

{{/* Without a consumer group KEDA reads XLEN. Never `lagCount`: Redis loses count of it when entries are deleted. */}}
{{- define "order-engine.trigger.redisStreams" -}}
- type: redis-streams
  metricType: AverageValue
  metadata:
    stream: order-engine:queue
    streamLength: {{ include "order-engine.targetBacklog" . | quote }}
    {{- with .Values.autoscaling.redis }}
    {{- if .addressFromEnv }}
    addressFromEnv: {{ .addressFromEnv }}
    {{- else }}
    address: {{ include "order-engine.redis.address" $ | quote }}
    {{- end }}
    databaseIndex: {{ .database | int | quote }}
    enableTLS: {{ .tls | quote }}
    {{- with .username }}
    username: {{ . | quote }}
    {{- end }}
    {{- end }}
  {{- if include "order-engine.redis.passwordSecret" . }}
  authenticationRef:
    name: {{ include "order-engine.worker.name" . }}
  {{- end }}
{{- end -}}

{{- define "order-engine.trigger.metricsApi" -}}
- type: metrics-api
  metricType: AverageValue
  metadata:
    url: {{ include "order-engine.metricsUrl" . | quote }}
    format: prometheus
    valueLocation: order_engine_queue_backlog
    targetValue: {{ include "order-engine.targetBacklog" . | quote }}
{{- end -}}

{{/* KEDA takes an empty answer as 0 unless told otherwise: a dead Prometheus would take all workers away. */}}
{{- define "order-engine.trigger.prometheus" -}}
- type: prometheus
  metricType: AverageValue
  metadata:
    serverAddress: {{ .Values.autoscaling.prometheus.serverAddress | quote }}
    query: {{ include "order-engine.backlogQuery" . | quote }}
    threshold: {{ include "order-engine.targetBacklog" . | quote }}
    ignoreNullValues: "false"
  {{- with .Values.autoscaling.prometheus.authenticationRef }}
  authenticationRef:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}

{{- define "order-engine.redis.address" -}}
{{- $dev := ternary (printf "%s.%s.svc:6379" (include "order-engine.redis.name" .) .Release.Namespace) "" (ne "" (include "order-engine.redis.dev" .)) -}}
{{- default $dev .Values.autoscaling.redis.address -}}
{{- end -}}

{{/* `name` and `key` of the Secret with Redis' password, as YAML; empty if it has none. */}}
{{- define "order-engine.redis.passwordSecret" -}}
{{- with .Values.autoscaling.redis.passwordSecret -}}
{{- if .name -}}
name: {{ .name }}
key: {{ .key }}
{{- else if include "order-engine.redis.dev" $ -}}
name: {{ include "order-engine.redis.name" $ }}
key: REDIS_PASSWORD
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "order-engine.api.metricsUrl" -}}
{{- printf "http://%s.%s.svc:%d/metrics" (include "order-engine.api.name" .) .Release.Namespace (int .Values.api.service.port) -}}
{{- end -}}

{{- define "order-engine.metricsUrl" -}}
{{- $own := printf "http://%s.%s.svc:%d/metrics" (include "order-engine.worker.name" .) .Release.Namespace (int .Values.worker.probePort) -}}
{{- default $own .Values.autoscaling.metricsApi.url -}}
{{- end -}}

{{/* API and workers all publish the same backlog, so it is read with `max`, never `sum`. */}}
{{- define "order-engine.backlogQuery" -}}
{{- $own := printf "max(order_engine_queue_backlog{namespace=\"%s\",pod=~\"(%s|%s)-.+\"})" .Release.Namespace (include "order-engine.api.name" .) (include "order-engine.worker.name" .) -}}
{{- default $own .Values.autoscaling.prometheus.query -}}
{{- end -}}
