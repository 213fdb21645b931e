{{/* Groups of rules: the chart's files, then the values'. Not templates, since alerts have braces of their own. */}}
{{- define "order-engine.ruleGroups" -}}
{{- range $path, $file := .Files.Glob "rules/*.yaml" }}
{{- with (include "order-engine.linked" (dict "root" $ "path" $path) | fromYaml).groups }}
{{ toYaml . }}
{{- end }}
{{- end }}
{{- with .Values.prometheusRule.groups }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* A file of the chart, its links to runbooks made those of the values. (dict root path) */}}
{{- define "order-engine.linked" -}}
{{- $text := .root.Files.Get .path -}}
{{- with .root.Values.runbooks -}}
{{- regexReplaceAll `https://runbooks[.]invalid/([^"\s]+)` $text (printf "%s/${1}%s" (trimSuffix "/" .url) .suffix) -}}
{{- end -}}
{{- end -}}
