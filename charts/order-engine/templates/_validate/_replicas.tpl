{{/* Several replicas say that it matters; one database pod without a backup says that it doesn't. */}}
{{- define "order-engine.validate.replicas" -}}
{{- if and (include "order-engine.dev" .) (not .Values.dev.allowReplicas) }}
{{- $mend := "Set it to 1, or name servers of your own; only to try scaling, set dev.allowReplicas=true." }}
{{- $api := include "order-engine.api.most" . | int }}
{{- $worker := include "order-engine.worker.most" . | int }}
{{- if gt $api 1 }}
{{ ternary "api.hpa.maxReplicas" "api.replicas" .Values.api.hpa.enabled }}: {{ $api }} pods beside a dev database, which is one pod without backups. {{ $mend }}
{{- end }}
{{- if gt $worker 1 }}
{{ ternary "worker.replicas" "autoscaling.maxReplicas" (eq .Values.autoscaling.mode "none") }}: {{ $worker }} pods beside a dev database, which is one pod without backups. {{ $mend }}
{{- end }}
{{- end }}
{{- with .Values.api.hpa }}
{{- if and .enabled (gt (int .minReplicas) (int .maxReplicas)) }}
api.hpa.minReplicas: {{ .minReplicas }} is more than api.hpa.maxReplicas, {{ .maxReplicas }}. Lower the one or raise the other.
{{- end }}
{{- end }}
{{- end -}}
