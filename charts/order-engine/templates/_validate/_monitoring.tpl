{{- define "order-engine.validate.monitoring" -}}
{{- $needs := dict "metrics.serviceMonitor" .Values.metrics.serviceMonitor "metrics.podMonitor" .Values.metrics.podMonitor "prometheusRule" .Values.prometheusRule }}
{{- range $setting, $value := $needs }}
{{- if $value.enabled }}
{{- include "order-engine.validate.api" (dict "root" $ "setting" (printf "%s.enabled" $setting) "group" "monitoring.coreos.com/v1" "what" "the Prometheus operator") }}
{{- end }}
{{- end }}
{{- if and .Values.metrics.serviceMonitor.enabled .Values.metrics.podMonitor.enabled }}
metrics.serviceMonitor.enabled and metrics.podMonitor.enabled: both would count everything twice. Turn one of them off.
{{- end }}
{{- end -}}
