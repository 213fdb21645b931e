{{/* Where traces go, as the data of a ConfigMap. */}}
{{- define "order-engine.tracing" -}}
{{- with .Values.tracing }}
{{- if .endpoint }}
OTEL_EXPORTER_OTLP_ENDPOINT: {{ .endpoint | quote }}
OTEL_TRACES_SAMPLER_ARG: {{ include "order-engine.setting" (dict "name" "sampleRatio" "value" .sampleRatio) | quote }}
{{- end }}
{{- end }}
{{- end -}}

{{/* The collector's port: the one that is told, else the URL's, else its scheme's. */}}
{{- define "order-engine.tracing.port" -}}
{{- with .Values.tracing -}}
{{- $named := (urlParse .endpoint).host | regexFind ":[0-9]+$" | trimPrefix ":" -}}
{{- default (default (ternary 443 80 (hasPrefix "https:" .endpoint)) $named) .port | int -}}
{{- end -}}
{{- end -}}
