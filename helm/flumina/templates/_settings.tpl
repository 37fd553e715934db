{{/*
Settings of the environment (docs/settings.md) that all processes share, as one map. Nothing secret
is in it: secrets are files of Secrets that are there already, named here by their paths only.
*/}}
{{- define "flumina.settings" -}}
{{- $v := .Values -}}
KAFKA_BROKERS: {{ $v.kafka.brokers | quote }}
FLUMINA_TOPIC_PREFIX: {{ $v.kafka.topicPrefix | quote }}
{{- with $v.kafka.replicationFactor }}
FLUMINA_REPLICATION_FACTOR: {{ . | quote }}
{{- end }}
FLUMINA_KAFKA_SECURITY: {{ $v.kafka.security | quote }}
{{- if $v.kafka.ca.name }}
FLUMINA_KAFKA_CA: "/etc/flumina/kafka-ca/{{ $v.kafka.ca.key }}"
{{- end }}
{{- if $v.kafka.certificate.name }}
FLUMINA_KAFKA_CERTIFICATE: /etc/flumina/kafka-certificate/tls.crt
FLUMINA_KAFKA_KEY: /etc/flumina/kafka-certificate/tls.key
{{- end }}
{{- if $v.kafka.sasl.user }}
FLUMINA_KAFKA_SASL_MECHANISM: {{ $v.kafka.sasl.mechanism | quote }}
FLUMINA_KAFKA_USER: {{ $v.kafka.sasl.user | quote }}
FLUMINA_KAFKA_PASSWORD_FILE: "/etc/flumina/kafka-password/{{ $v.kafka.sasl.password.key }}"
{{- end }}
MESOS_MASTER: {{ $v.mesos.masters | quote }}
MESOS_FAILOVER_TIMEOUT_S: {{ int64 $v.mesos.failoverTimeoutS | quote }}
MESOS_CONTAINERIZER: {{ $v.mesos.containerizer | quote }}
FLUMINA_CELLS: {{ len $v.cells.names | quote }}
FLUMINA_CELL_NAMES: {{ join "," $v.cells.names | quote }}
FLUMINA_STORE: {{ $v.store.url | quote }}
FLUMINA_DATA: /var/lib/flumina
FLUMINA_CACHE: /var/lib/flumina/cache
FLUMINA_PROBES: "0.0.0.0:7190"
FLUMINA_METRICS_BIND: "0.0.0.0"
FLUMINA_ACTOR: helm
{{- if $v.access.file.name }}
FLUMINA_ACCESS: "/etc/flumina/access/{{ $v.access.file.key }}"
{{- end }}
{{- with $v.access.oidc }}
{{- if .issuer }}
FLUMINA_OIDC_ISSUER: {{ .issuer | quote }}
FLUMINA_OIDC_AUDIENCE: {{ .audience | quote }}
FLUMINA_OIDC_KEYS: {{ .keys | quote }}
FLUMINA_OIDC_GROUPS: {{ .groups | quote }}
{{- end }}
{{- end }}
{{- if $v.access.token.name }}
FLUMINA_TOKEN_FILE: "/etc/flumina/token/{{ $v.access.token.key }}"
{{- end }}
{{- if $v.tls.secret.name }}
FLUMINA_TLS_CERTIFICATE: /etc/flumina/tls/tls.crt
FLUMINA_TLS_KEY: /etc/flumina/tls/tls.key
FLUMINA_CA: /etc/flumina/tls/ca.crt
{{- if $v.tls.clientCa.name }}
FLUMINA_TLS_CLIENT_CA: "/etc/flumina/tls-client-ca/{{ $v.tls.clientCa.key }}"
{{- end }}
{{- else if $v.tls.isInFront }}
FLUMINA_TLS_IN_FRONT: "true"
{{- end }}
{{- if $v.cloud.kind }}
FLUMINA_CLOUD: {{ $v.cloud.kind | quote }}
{{- with $v.cloud.noticesQueue }}
FLUMINA_CLOUD_NOTICES: {{ . | quote }}
{{- end }}
{{- end }}
{{- with $v.cloud.awsRegion }}
AWS_REGION: {{ . | quote }}
{{- end }}
{{- with $v.registrar.balancers }}
FLUMINA_BALANCERS: {{ . | quote }}
{{- end }}
{{- with $v.registrar.discovery }}
FLUMINA_DISCOVERY: {{ . | quote }}
{{- end }}
{{- range $name, $value := $v.settings }}
{{ $name }}: {{ $value | quote }}
{{- end }}
{{- end -}}

{{/* The values as one part sees them: with its own name at Kafka, where kafka.parts gives it one. */}}
{{- define "flumina.valuesOfPart" -}}
{{- $values := deepCopy .root.Values -}}
{{- $own := index $values.kafka.parts .part | default dict -}}
{{- with $own.user -}}
{{- $password := merge (deepCopy $own.password) (dict "key" "password") -}}
{{- $_ := set $values.kafka "sasl" (merge (dict "user" . "password" $password) $values.kafka.sasl) -}}
{{- end -}}
{{- with $own.certificate -}}
{{- $_ := set $values.kafka "certificate" . -}}
{{- end -}}
{{- toYaml $values -}}
{{- end -}}

{{/* The folders of secrets: name in the pod, Secret, and the one key that is mounted (all without). */}}
{{- define "flumina.secretFolders" -}}
{{- $v := .Values -}}
folders:
{{- if $v.kafka.ca.name }}
  - {folder: kafka-ca, secret: {{ $v.kafka.ca.name | quote }}, key: {{ $v.kafka.ca.key | quote }}}
{{- end }}
{{- if $v.kafka.certificate.name }}
  - {folder: kafka-certificate, secret: {{ $v.kafka.certificate.name | quote }}}
{{- end }}
{{- if $v.kafka.sasl.user }}
  - {folder: kafka-password, secret: {{ $v.kafka.sasl.password.name | quote }}, key: {{ $v.kafka.sasl.password.key | quote }}}
{{- end }}
{{- if $v.access.file.name }}
  - {folder: access, secret: {{ $v.access.file.name | quote }}, key: {{ $v.access.file.key | quote }}}
{{- end }}
{{- if $v.access.token.name }}
  - {folder: token, secret: {{ $v.access.token.name | quote }}, key: {{ $v.access.token.key | quote }}}
{{- end }}
{{- if $v.tls.secret.name }}
  - {folder: tls, secret: {{ $v.tls.secret.name | quote }}}
{{- if $v.tls.clientCa.name }}
  - {folder: tls-client-ca, secret: {{ $v.tls.clientCa.name | quote }}, key: {{ $v.tls.clientCa.key | quote }}}
{{- end }}
{{- end }}
{{- end -}}
