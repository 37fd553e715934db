{{/*
The one pod of this chart. Given: root, part, suffix, cell (or ""), args, api (address or ""),
ports (name to number), hook (settings inline, since the ConfigMap is not there yet), storage (a
claim of the StatefulSet holds the data directory), once (a Job: no probes).
*/}}
{{- define "flumina.podTemplate" -}}
{{- $v := .root.Values -}}
{{- $part := index $v.parts .part -}}
{{- $own := dict "Values" (include "flumina.valuesOfPart" (dict "root" .root "part" .part) | fromYaml) -}}
{{- $folders := (include "flumina.secretFolders" $own | fromYaml).folders | default list -}}
{{- $settings := include "flumina.settings" $own | fromYaml -}}
{{- $shared := include "flumina.settings" .root | fromYaml -}}
{{- $isSealing := and $v.secrets.keys (has .part (list "api" "cell")) -}}
{{- if and $isSealing $v.secrets.file.name -}}
{{- $folders = append $folders (dict "folder" "secret-key" "secret" $v.secrets.file.name "key" $v.secrets.file.key) -}}
{{- end -}}
metadata:
  labels:
    {{- include "flumina.labels" . | nindent 4 }}
  annotations:
    checksum/settings: {{ include "flumina.settings" $own | sha256sum }}
    {{- with $v.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  serviceAccountName: {{ include "flumina.partName" (dict "root" .root "part" .part) }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  {{- with $v.image.pullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $v.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  securityContext:
    runAsNonRoot: true
    runAsUser: 10001
    runAsGroup: 10001
    fsGroup: 10001
    fsGroupChangePolicy: OnRootMismatch
    seccompProfile:
      type: RuntimeDefault
  {{- if .once }}
  restartPolicy: {{ .once }}
  {{- else }}
  # The end of a process: taken out of the services, then asked to end, then given up on.
  terminationGracePeriodSeconds: {{ add (int $v.stopping.preStopSeconds) (int $v.stopping.drainSeconds) 15 }}
  affinity:
    podAntiAffinity:
      preferredDuringSchedulingIgnoredDuringExecution:
        - weight: 100
          podAffinityTerm:
            topologyKey: kubernetes.io/hostname
            labelSelector:
              matchLabels:
                {{- include "flumina.selector" . | nindent 16 }}
  topologySpreadConstraints:
    - maxSkew: 1
      topologyKey: topology.kubernetes.io/zone
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- include "flumina.selector" . | nindent 10 }}
  {{- end }}
  {{- with $v.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $v.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    - name: {{ .part }}
      image: {{ include "flumina.image" .root | quote }}
      imagePullPolicy: {{ $v.image.pullPolicy }}
      args:
        {{- toYaml .args | nindent 8 }}
      {{- if .hook }}
      env:
        {{- range $name, $value := $settings }}
        - name: {{ $name }}
          value: {{ $value | quote }}
        {{- end }}
      {{- else }}
      envFrom:
        - configMapRef:
            name: {{ include "flumina.fullname" .root }}-settings
      env:
        {{- range $name, $value := $settings }}
        {{- if ne $value (get $shared $name) }}
        - name: {{ $name }}
          value: {{ $value | quote }}
        {{- end }}
        {{- end }}
      {{- end }}
        - name: POD_NAME
          valueFrom:
            fieldRef:
              fieldPath: metadata.name
        {{- if eq .part "cell" }}
        # Unique, and the same at every start: static membership of the group.
        - name: FLUMINA_CANDIDATE
          value: $(POD_NAME)
        {{- end }}
        {{- if .cell }}
        - name: FLUMINA_CELL
          value: {{ .cell | quote }}
        {{- end }}
        {{- if .api }}
        - name: FLUMINA_API
          value: {{ .api | quote }}
        {{- end }}
        {{- if $isSealing }}
        - name: FLUMINA_SECRET_KEYS
          value: {{ $v.secrets.keys | quote }}
        - name: FLUMINA_SECRET_PROVIDER
          value: {{ ternary (printf "file:/etc/flumina/secret-key/%s" $v.secrets.file.key) $v.secrets.kms (ne $v.secrets.file.name "") | quote }}
        {{- end }}
        {{- range $v.secretSettings }}
        - name: {{ .setting }}
          valueFrom:
            secretKeyRef:
              name: {{ .name | quote }}
              key: {{ .key | quote }}
        {{- end }}
      {{- if not .once }}
      ports:
        - name: probes
          containerPort: 7190
        {{- range $name, $number := .ports }}
        - name: {{ $name }}
          containerPort: {{ $number }}
        {{- end }}
      # Begun: the log is folded to its end once, or the port listens; a long log takes long.
      startupProbe:
        httpGet: {path: /started, port: probes}
        periodSeconds: 5
        timeoutSeconds: 5
        failureThreshold: {{ div (int $v.startupSeconds) 5 }}
      # Caught up: may be used, and the next pod of an upgrade may follow.
      readinessProbe:
        httpGet: {path: /ready, port: probes}
        periodSeconds: 5
        timeoutSeconds: 5
        failureThreshold: 3
      # Alive: its loop turns. Whether Kafka is there is nothing that a restart would mend.
      livenessProbe:
        httpGet: {path: /live, port: probes}
        periodSeconds: 15
        timeoutSeconds: 10
        failureThreshold: 4
      lifecycle:
        preStop:
          sleep:
            seconds: {{ $v.stopping.preStopSeconds }}
      {{- end }}
      resources:
        requests:
          cpu: {{ $part.cpu | quote }}
          memory: {{ $part.memory | quote }}
        limits:
          # As much as is asked for: a pod that takes more ends by itself, and not its neighbour.
          memory: {{ $part.memory | quote }}
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        privileged: false
        capabilities:
          drop: [ALL]
      volumeMounts:
        - name: data
          mountPath: /var/lib/flumina
        - name: tmp
          mountPath: /tmp
        {{- range $folders }}
        - name: {{ .folder }}
          mountPath: /etc/flumina/{{ .folder }}
          readOnly: true
        {{- end }}
  volumes:
    {{- if not .storage }}
    - name: data
      emptyDir:
        sizeLimit: {{ $v.scratch.data }}
    {{- end }}
    - name: tmp
      emptyDir:
        sizeLimit: {{ $v.scratch.tmp }}
    {{- range $folders }}
    - name: {{ .folder }}
      secret:
        secretName: {{ .secret }}
        defaultMode: 0440
        {{- with .key }}
        items:
          - key: {{ . }}
            path: {{ . }}
        {{- end }}
    {{- end }}
{{- end -}}

{{/* As above, and replicas: a StatefulSet with its headless service. */}}
{{- define "flumina.statefulSet" -}}
{{- $name := include "flumina.partName" . -}}
---
apiVersion: v1
kind: Service
metadata:
  name: {{ $name }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "flumina.labels" . | nindent 4 }}
spec:
  clusterIP: None
  # Names of pods, not a way in: who is behind has its name all the same.
  publishNotReadyAddresses: true
  selector:
    {{- include "flumina.selector" . | nindent 4 }}
  ports:
    - name: {{ if .ports.metrics }}metrics{{ else }}probes{{ end }}
      port: {{ .ports.metrics | default 7190 }}
      targetPort: {{ if .ports.metrics }}metrics{{ else }}probes{{ end }}
---
apiVersion: apps/v1
kind: StatefulSet
metadata:
  name: {{ $name }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "flumina.labels" . | nindent 4 }}
spec:
  serviceName: {{ $name }}
  replicas: {{ .replicas }}
  # Each folds by itself; nobody has to wait for the one before.
  podManagementPolicy: Parallel
  revisionHistoryLimit: 5
  updateStrategy:
    type: RollingUpdate
  selector:
    matchLabels:
      {{- include "flumina.selector" . | nindent 6 }}
  template:
    {{- include "flumina.podTemplate" . | nindent 4 }}
  {{- if .storage }}
  volumeClaimTemplates:
    - metadata:
        name: data
      spec:
        accessModes: [ReadWriteOnce]
        {{- with .root.Values.storageClassName }}
        storageClassName: {{ . }}
        {{- end }}
        resources:
          requests:
            storage: {{ .storage }}
  {{- end }}
{{- end -}}

{{/* As above, and strategy: a Deployment, with a service where it has a port of its own. */}}
{{- define "flumina.deployment" -}}
{{- $name := include "flumina.partName" . -}}
{{- if .ports }}
---
apiVersion: v1
kind: Service
metadata:
  name: {{ $name }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "flumina.labels" . | nindent 4 }}
spec:
  selector:
    {{- include "flumina.selector" . | nindent 4 }}
  ports:
    {{- range $port, $number := .ports }}
    - name: {{ $port }}
      port: {{ $number }}
      targetPort: {{ $port }}
    {{- end }}
{{- end }}
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ $name }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "flumina.labels" . | nindent 4 }}
spec:
  {{- if not .isScaled }}
  replicas: {{ .replicas }}
  {{- end }}
  revisionHistoryLimit: 5
  strategy:
    {{- if eq .strategy "Recreate" }}
    # Two at a time would each do what one has to do.
    type: Recreate
    {{- else }}
    type: RollingUpdate
    rollingUpdate:
      maxUnavailable: 0
      maxSurge: 1
    {{- end }}
  selector:
    matchLabels:
      {{- include "flumina.selector" . | nindent 6 }}
  template:
    {{- include "flumina.podTemplate" . | nindent 4 }}
{{- end -}}

{{/* root, part, suffix: no more than one of them away at a time. */}}
{{- define "flumina.disruptionBudget" -}}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ include "flumina.partName" . }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "flumina.labels" . | nindent 4 }}
spec:
  maxUnavailable: 1
  selector:
    matchLabels:
      {{- include "flumina.selector" . | nindent 6 }}
{{- end -}}
