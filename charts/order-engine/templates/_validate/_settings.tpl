{{/* Settings that the engine would refuse as it starts. */}}
{{- define "order-engine.validate.settings" -}}
{{- with .Values.settings }}
{{- $lease := ternary 5 .leaseSeconds (kindIs "invalid" .leaseSeconds) }}
{{- $beat := ternary 1.5 .heartbeatSeconds (kindIs "invalid" .heartbeatSeconds) }}
{{- if gt (mulf $beat 2) (float64 $lease) }}
settings.heartbeatSeconds: {{ $beat }} is more than half of settings.leaseSeconds, {{ $lease }}. Set it to {{ divf $lease 2 }} or less.
{{- end }}
{{- range $name := list "paperQuoteLatencyMs" "paperExecutionLatencyMs" }}
{{- $given := get $.Values.settings $name }}
{{- $ends := $given | toString | splitList "-" }}
{{- if gt (first $ends | int) (last $ends | int) }}
settings.{{ $name }}: {{ $given }} ends before it begins. Set {{ last $ends }}-{{ first $ends }}.
{{- end }}
{{- end }}
{{- end }}
{{- end -}}
