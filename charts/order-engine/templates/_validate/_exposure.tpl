{{- define "order-engine.validate.exposure" -}}
{{- with .Values.gateway }}
{{- if .httpRoute.enabled }}
{{- include "order-engine.validate.api" (dict "root" $ "setting" "gateway.httpRoute.enabled" "group" "gateway.networking.k8s.io/v1" "what" "the Gateway API's CRDs and a Gateway") }}
{{- end }}
{{- range $policy, $needs := dict "backendTrafficPolicy" (list "gateway.envoyproxy.io/v1alpha1" "Envoy Gateway") "proxySettingsPolicy" (list "gateway.nginx.org/v1alpha1" "NGINX Gateway Fabric 2.5 or later") }}
{{- if (get $.Values.gateway $policy).enabled }}
{{- if not $.Values.gateway.httpRoute.enabled }}
gateway.{{ $policy }}.enabled: there is no route for it. Set gateway.httpRoute.enabled=true, or turn it off.
{{- end }}
{{- include "order-engine.validate.api" (dict "root" $ "setting" (printf "gateway.%s.enabled" $policy) "group" (first $needs) "what" (last $needs)) }}
{{- end }}
{{- end }}
{{- end }}
{{- end -}}
