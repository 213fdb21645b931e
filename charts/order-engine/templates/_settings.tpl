{{/*
A setting as an environment variable holds it. A number goes through JSON, since Go would print
1000000 as 1e+06; venues become a line with commas, tokens JSON.
*/}}
{{- define "order-engine.setting" -}}
{{- if eq .name "venues" -}}
{{- join "," .value -}}
{{- else if kindIs "string" .value -}}
{{- .value -}}
{{- else -}}
{{- toJson .value -}}
{{- end -}}
{{- end -}}

{{/* What API and workers are both told, as the data of a ConfigMap. */}}
{{- define "order-engine.settings" -}}
{{- range $name, $value := .Values.settings }}
{{- if not (kindIs "invalid" $value) }}
{{ $name | snakecase | upper }}: {{ include "order-engine.setting" (dict "name" $name "value" $value) | quote }}
{{- end }}
{{- end }}
{{- include "order-engine.tracing" . }}
{{- end -}}
