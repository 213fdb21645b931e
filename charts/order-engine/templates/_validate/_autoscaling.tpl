{{- define "order-engine.validate.autoscaling" -}}
{{- if ne .Values.autoscaling.mode "none" }}
{{- with .Values.autoscaling }}
{{- if gt (int .minReplicas) (int .maxReplicas) }}
autoscaling.minReplicas: {{ .minReplicas }} is more than autoscaling.maxReplicas, {{ .maxReplicas }}. Lower the one or raise the other.
{{- end }}
{{- if eq .mode "keda" }}
{{- include "order-engine.validate.api" (dict "root" $ "setting" "autoscaling.mode: keda" "group" "keda.sh/v1alpha1" "what" "KEDA") }}
{{- if and (eq .trigger "redisStreams") (not .redis.addressFromEnv) (not (include "order-engine.redis.address" $)) }}
autoscaling.redis.address: KEDA takes no URL. Set it to Redis' host:port, and autoscaling.redis.passwordSecret.name if it has a password.
{{- end }}
{{- end }}
{{- if eq (int .minReplicas) 0 }}
{{- include "order-engine.validate.zero" $ }}
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Where no worker is left, somebody else has to see the backlog, and somebody has to have agreed. */}}
{{- define "order-engine.validate.zero" -}}
{{- with .Values.autoscaling }}
{{- if and (eq .mode "hpa") (semverCompare "<1.37-0" $.Capabilities.KubeVersion.Version) }}
autoscaling.minReplicas: 0 with autoscaling.mode=hpa needs Kubernetes 1.37 or later, and this is {{ $.Capabilities.KubeVersion.Version }}. Set it to 1 or more, or use autoscaling.mode=keda.
{{- end }}
{{- if and (eq .mode "keda") (eq .trigger "metricsApi") (not .metricsApi.url) }}
autoscaling.minReplicas: 0 cannot work: KEDA would ask the workers for the backlog, and with none of them nobody answers. Set it to 1 or more, use autoscaling.trigger=redisStreams, or set autoscaling.metricsApi.url to the API's {{ include "order-engine.api.metricsUrl" $ }} and name KEDA in networkPolicy.ingressFrom.
{{- end }}
{{- if not .acceptWaitingOrders }}
autoscaling.minReplicas: 0 leaves nobody to sweep: an order whose hint was lost waits until another order wakes a worker. Set it to 1 or more, or agree with autoscaling.acceptWaitingOrders=true.
{{- end }}
{{- if and (eq .mode "keda") (lt (int .cooldownPeriod) 120) }}
autoscaling.cooldownPeriod: {{ .cooldownPeriod }} is too short for autoscaling.minReplicas=0: an order of unknown outcome rests for up to 60 s. Set it to 120 or more.
{{- end }}
{{- end }}
{{- end -}}
