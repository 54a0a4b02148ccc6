{{/* The variables of a service. Takes (root, service). Every name is one of the platform's settings: a test holds them to it. */}}
{{- define "liangfa.environment" -}}
{{- $root := index . 0 }}{{ $values := $root.Values -}}
- {name: LIANGFA_LISTEN__HOST, value: "0.0.0.0"}
- {name: LIANGFA_LISTEN__HEALTH_PORT, value: {{ $values.ports.health | quote }}}
- {name: LIANGFA_LISTEN__LINGER_SECONDS, value: {{ $values.shutdown.lingerSeconds | quote }}}
- {name: LIANGFA_LISTEN__DRAIN_SECONDS, value: {{ $values.shutdown.drainSeconds | quote }}}
- {name: LIANGFA_DATABASE__URL, value: {{ $values.database.url | quote }}}
- {name: LIANGFA_DATABASE__OWNER_URL, value: {{ $values.database.ownerUrl | quote }}}
- {name: LIANGFA_DATABASE__PASSWORD_FILE, value: /secrets/database/service}
- {name: LIANGFA_DATABASE__OWNER_PASSWORD_FILE, value: /secrets/database/owner}
- {name: LIANGFA_DATABASE__READER_COUNT, value: {{ $values.database.readerCount | quote }}}
- {name: PGSSLROOTCERT, value: /secrets/database/ca.crt}
- {name: LIANGFA_KAFKA__SERVERS, value: {{ $values.kafka.servers | quote }}}
- {name: LIANGFA_KAFKA__REPLICATION, value: {{ $values.kafka.replication | quote }}}
- {name: LIANGFA_KAFKA__PREFIX, value: {{ $values.kafka.prefix | quote }}}
{{- if $values.kafka.secret }}
- {name: LIANGFA_KAFKA__TLS_CA, value: /secrets/kafka/ca.crt}
- name: LIANGFA_KAFKA__USER
  valueFrom: {secretKeyRef: {name: {{ $values.kafka.secret | quote }}, key: user}}
- {name: LIANGFA_KAFKA__PASSWORD_FILE, value: /secrets/kafka/password}
{{- end }}
{{- if $values.objects.endpoint }}
- {name: LIANGFA_OBJECTS__ENDPOINT, value: {{ $values.objects.endpoint | quote }}}
- {name: LIANGFA_OBJECTS__BUCKET, value: {{ $values.objects.bucket | quote }}}
- {name: LIANGFA_OBJECTS__PREFIX, value: {{ $values.objects.prefix | quote }}}
- {name: LIANGFA_OBJECTS__REGION, value: {{ $values.objects.region | quote }}}
- {name: LIANGFA_OBJECTS__TLS, value: {{ $values.objects.tls | quote }}}
- name: LIANGFA_OBJECTS__ACCESS_KEY
  valueFrom: {secretKeyRef: {name: {{ $values.objects.secret | quote }}, key: access-key}}
- name: LIANGFA_OBJECTS__SECRET_KEY
  valueFrom: {secretKeyRef: {name: {{ $values.objects.secret | quote }}, key: secret-key}}
{{- end }}
- {name: LIANGFA_IDENTITY__KEY_FOLDER, value: /keys}
{{- if $values.tls.enabled }}
- {name: LIANGFA_TLS__CERTIFICATE, value: /secrets/tls/tls.crt}
- {name: LIANGFA_TLS__KEY, value: /secrets/tls/tls.key}
- {name: LIANGFA_TLS__CA, value: /secrets/tls/ca.crt}
{{- end }}
{{- if and (eq (index . 1) "case_transfer") $values.documents.folder }}
- {name: LIANGFA_DOCUMENTS__FOLDER, value: {{ $values.documents.folder | quote }}}
{{- end }}
{{- if has (index . 1) (list "joint_meeting" "case_transfer") }}
- {name: LIANGFA_PEERS__ENFORCEMENT_RECORD, value: "{{ include "liangfa.name" (list $root "enforcement_record") }}:{{ $values.ports.rpc }}"}
{{- end }}
- {name: LIANGFA_TELEMETRY__OTLP_ENDPOINT, value: {{ $values.telemetry.otlpEndpoint | quote }}}
- {name: LIANGFA_TELEMETRY__SAMPLE_RATIO, value: {{ $values.telemetry.sampleRatio | quote }}}
- {name: LIANGFA_LOGGING__LEVEL, value: {{ $values.logging.level | quote }}}
{{- end }}
