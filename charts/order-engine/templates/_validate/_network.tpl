{{/* With NetworkPolicies, an empty list of peers means nobody: told where somebody has to come through. */}}
{{- define "order-engine.validate.network" -}}
{{- if .Values.networkPolicy.enabled }}
{{- with .Values.networkPolicy }}
{{- if and (not .ingressFrom) (or $.Values.ingress.enabled $.Values.gateway.httpRoute.enabled (ne $.Values.api.service.type "ClusterIP")) }}
networkPolicy.ingressFrom: is empty, so nothing could reach the API through {{ $.Values.ingress.enabled | ternary "the Ingress" ($.Values.gateway.httpRoute.enabled | ternary "the Gateway" (printf "a Service of type %s" $.Values.api.service.type)) }}. Name its controller, as in [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: ingress}}}], or set networkPolicy.enabled=false.
{{- end }}
{{- if and (not .metricsFrom) (or $.Values.metrics.serviceMonitor.enabled $.Values.metrics.podMonitor.enabled) }}
networkPolicy.metricsFrom: is empty, so Prometheus could not read any metrics. Name it, as in [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: monitoring}}}], or set networkPolicy.enabled=false.
{{- end }}
{{- $own := dict "worker" (not $.Values.autoscaling.metricsApi.url) "redis" (ne "" (include "order-engine.redis.dev" $)) }}
{{- with include "order-engine.keda.reads" $ }}
{{- if and (get $own .) (not $.Values.networkPolicy.kedaFrom) }}
networkPolicy.kedaFrom: is empty, so KEDA could not read the backlog from the release's {{ . }} pods. Name the operator's namespace, or set networkPolicy.enabled=false.
{{- end }}
{{- end }}
{{- range list "postgres" "redis" }}
{{- if not (or (include (printf "order-engine.%s.dev" .) $) (get $.Values.networkPolicy.egress .).to) }}
networkPolicy.egress.{{ . }}.to: is empty, so the engine could not reach {{ . }}. Name its pods or addresses, or set networkPolicy.enabled=false.
{{- end }}
{{- end }}
{{- if and $.Values.tracing.endpoint (not .egress.tracing.to) }}
networkPolicy.egress.tracing.to: is empty, so no trace could reach the collector that tracing.endpoint names. Name its pods or addresses, or set networkPolicy.enabled=false.
{{- end }}
{{- end }}
{{- end }}
{{- end -}}
