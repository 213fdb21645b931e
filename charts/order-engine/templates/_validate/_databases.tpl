{{- define "order-engine.validate.databases" -}}
{{- range list (dict "name" "postgres" "calls" "PostgreSQL" "url" "postgresql") (dict "name" "redis" "calls" "Redis" "url" "redis") }}
{{- $name := .name }}
{{- $given := get $.Values $name }}
{{- $dev := include (printf "order-engine.%s.dev" $name) $ }}
{{- $external := or $given.url $given.existingSecret.name }}
{{- if not (or $dev $external) }}
{{ $name }}: no {{ .calls }} is named. Set {{ $name }}.existingSecret.name, or {{ $name }}.url; for a trial set dev.enabled=true.
{{- end }}
{{- if and $dev $external }}
dev.{{ $name }} and {{ $name }}.{{ ternary "existingSecret" "url" (ne "" $given.existingSecret.name) }} name two {{ .calls }} servers. Unset {{ $name }}.*, or turn dev.enabled and dev.{{ $name }}.enabled off.
{{- end }}
{{- /* Secrets are not checked by the schema, which would print them. */}}
{{- if and $given.url (not (regexMatch (printf "^(%s|%s)://." .url (ternary "postgres" "rediss" (eq $name "postgres"))) $given.url)) }}
{{ $name }}.url: does not start with {{ .url }}://. It is not shown here, since it may hold a password.
{{- end }}
{{- with (get $.Values.dev $name).password }}
{{- if not (regexMatch "^[A-Za-z0-9_-]{8,128}$" .) }}
dev.{{ $name }}.password: is not made of 8 to 128 of A-Z, a-z, 0-9, _ and -, as a URL needs it. Set another.
{{- end }}
{{- end }}
{{- end }}
{{- if and (include "order-engine.postgres.dev" .) (eq (include "order-engine.migration.mode" .) "hook") }}
migration.mode: a hook runs before dev.postgres exists. Set migration.mode=job, or leave it empty.
{{- end }}
{{- end -}}
