{{/* Parts of NetworkPolicies. An empty list of peers would allow everybody: each rule is left out with it. */}}

{{/* A peer: the release's pods of the component `name`. (dict root name) */}}
{{- define "order-engine.peer" -}}
- podSelector:
    matchLabels:
      {{- include "order-engine.selector" . | nindent 6 }}
{{- end -}}

{{/* Resolving names. */}}
{{- define "order-engine.egress.dns" -}}
{{- with .Values.networkPolicy.egress.dns -}}
{{- if .to -}}
- to:
    {{- toYaml .to | nindent 4 }}
  ports:
    {{- range .ports }}
    - port: {{ . | int }}
      protocol: UDP
    - port: {{ . | int }}
      protocol: TCP
    {{- end }}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Reaching PostgreSQL or Redis. (dict root name: postgres or redis) */}}
{{- define "order-engine.egress.database" -}}
{{- $peers := get .root.Values.networkPolicy.egress .name -}}
{{- $port := 6379 -}}
{{- if include (printf "order-engine.%s.dev" .name) .root -}}
{{- if eq .name "postgres" }}{{ $port = 5432 }}{{ end -}}
- to:
    {{- include "order-engine.peer" . | nindent 4 }}
  ports:
    - port: {{ $port }}
      protocol: TCP
{{- else if $peers.to -}}
- to:
    {{- toYaml $peers.to | nindent 4 }}
  ports:
    - port: {{ get (get .root.Values .name) "port" | int }}
      protocol: TCP
{{- end -}}
{{- end -}}

{{/* Reaching the collector of traces. */}}
{{- define "order-engine.egress.tracing" -}}
{{- $peers := .Values.networkPolicy.egress.tracing.to -}}
{{- if and .Values.tracing.endpoint $peers -}}
- to:
    {{- toYaml $peers | nindent 4 }}
  ports:
    - port: {{ include "order-engine.tracing.port" . }}
      protocol: TCP
{{- end -}}
{{- end -}}

{{/* Whether KEDA reads from the release's own pods, and from which: `redis`, `worker`, or nothing. */}}
{{- define "order-engine.keda.reads" -}}
{{- with .Values.autoscaling -}}
{{- if and (eq .mode "keda") (eq .trigger "metricsApi") -}}
worker
{{- else if and (eq .mode "keda") (eq .trigger "redisStreams") -}}
redis
{{- end -}}
{{- end -}}
{{- end -}}
