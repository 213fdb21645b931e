{{/*
What the schema cannot say, since it takes two values or the cluster to see it. Each rule is a line
that names the setting and the fix; all that are broken are told at once.
*/}}
{{- define "order-engine.validate" -}}
{{- $told := list -}}
{{- range list "databases" "settings" "replicas" "stopping" "autoscaling" "exposure" "network" "monitoring" -}}
{{- range include (printf "order-engine.validate.%s" .) $ | splitList "\n" -}}
{{- with trim . }}{{ $told = append $told (printf "  - %s" .) }}{{ end -}}
{{- end -}}
{{- end -}}
{{- if $told -}}
{{- fail (printf "these values do not fit together:\n\n%s\n" (join "\n" $told)) -}}
{{- end -}}
{{- end -}}

{{/* Tells when the cluster lacks the API `group`, which `setting` needs. (dict root setting group what) */}}
{{- define "order-engine.validate.api" -}}
{{- if not (.root.Capabilities.APIVersions.Has .group) }}
{{ .setting }} needs {{ .group }}, which this cluster does not have. Install {{ .what }} first; with `helm template`, add `--api-versions {{ .group }}`.
{{- end }}
{{- end -}}
