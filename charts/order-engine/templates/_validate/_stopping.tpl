{{/* A pod that is killed before it has handed over leaves its orders to the leases: seconds lost. */}}
{{- define "order-engine.validate.stopping" -}}
{{- with .Values.worker }}
{{- $least := addf 1 .drainSeconds .shutdownSeconds 2 | ceil | int }}
{{- if lt (int .terminationGracePeriodSeconds) $least }}
worker.terminationGracePeriodSeconds: {{ .terminationGracePeriodSeconds }} is less than a worker may take to stop: 1 + drainSeconds {{ .drainSeconds }} + shutdownSeconds {{ .shutdownSeconds }} + 2. Set it to {{ $least }} or more, or lower those.
{{- end }}
{{- end }}
{{- with .Values.api }}
{{- $least := add .preStopSleepSeconds 5 2 | int }}
{{- if lt (int .terminationGracePeriodSeconds) $least }}
api.terminationGracePeriodSeconds: {{ .terminationGracePeriodSeconds }} is less than an API may take to stop: preStopSleepSeconds {{ .preStopSleepSeconds }} + 5 + 2. Set it to {{ $least }} or more, or lower that.
{{- end }}
{{- end }}
{{- end -}}
