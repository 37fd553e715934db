import com.netflix.fenzo.ConstraintEvaluator;
import com.netflix.fenzo.SchedulingResult;
import com.netflix.fenzo.TaskAssignmentResult;
import com.netflix.fenzo.TaskRequest;
import com.netflix.fenzo.TaskScheduler;
import com.netflix.fenzo.VMAssignmentResult;
import com.netflix.fenzo.VMTaskFitnessCalculator;
import com.netflix.fenzo.VirtualMachineLease;
import com.netflix.fenzo.plugins.BalancedHostAttrConstraint;
import com.netflix.fenzo.plugins.BinPackingFitnessCalculators;
import java.io.IOException;
import java.io.PrintWriter;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.apache.mesos.Protos;

/**
 * Fenzo behind the files of `flumina simulate`: the same hosts, the same queue, the same calls.
 *
 * <p>The one thing to know: only what a framework must do around Fenzo is inside the measured time:
 * `scheduleOnce`, registering each assignment, and offering again what is left of each host that
 * gave up its offers. Reading files, warming up and writing the placement are outside it.
 */
public final class FenzoPeer {
    private static final String ZONE = "zone";

    record Host(String name, double cpus, double memory, Map<String, Protos.Attribute> attributes) {}

    record Row(String id, String job, double cpus, double memory) {}

    /** What one pass over the queue came to. */
    record Pass(int seen, Map<String, String> hostOfTask, List<Double> callsMs, double wallS,
            double cpuS) {}

    /** An offer of one host, as plain values: no protobuf is built inside the measured time. */
    record Lease(String id, Host host, double cpuCores, double memoryMB, long offeredAt)
            implements VirtualMachineLease {
        @Override public String getId() { return id; }
        @Override public long getOfferedTime() { return offeredAt; }
        @Override public String hostname() { return host.name(); }
        @Override public String getVMID() { return host.name(); }
        @Override public double networkMbps() { return 0; }
        @Override public double diskMB() { return 0; }
        @Override public List<Range> portRanges() { return List.of(); }
        @Override public Protos.Offer getOffer() { return null; }
        @Override public Map<String, Protos.Attribute> getAttributeMap() {
            return host.attributes();
        }
        @Override public Double getScalarValue(String name) { return 0.0; }
        @Override public Map<String, Double> getScalarValues() { return Map.of(); }
    }

    /** A task of the queue; the soft constraint is one object for all tasks of its job. */
    static final class Task implements TaskRequest {
        private final Row row;
        private final List<VMTaskFitnessCalculator> soft;
        private AssignedResources assigned;

        Task(Row row, List<VMTaskFitnessCalculator> soft) {
            this.row = row;
            this.soft = soft;
        }

        @Override public String getId() { return row.id(); }
        @Override public String taskGroupName() { return ""; }
        @Override public double getCPUs() { return row.cpus(); }
        @Override public double getMemory() { return row.memory(); }
        @Override public double getNetworkMbps() { return 0; }
        @Override public double getDisk() { return 0; }
        @Override public int getPorts() { return 0; }
        @Override public Map<String, Double> getScalarRequests() { return Map.of(); }
        @Override public Map<String, NamedResourceSetRequest> getCustomNamedResources() {
            return Map.of();
        }
        @Override public List<? extends ConstraintEvaluator> getHardConstraints() {
            return List.of();
        }
        @Override public List<? extends VMTaskFitnessCalculator> getSoftConstraints() {
            return soft;
        }
        @Override public void setAssignedResources(AssignedResources given) { assigned = given; }
        @Override public AssignedResources getAssignedResources() { return assigned; }
    }

    private FenzoPeer() {}

    public static void main(String[] arguments) throws IOException {
        Map<String, String> options = options(arguments);
        List<Host> hosts = hosts(Path.of(options.get("hosts")));
        List<Row> rows = rows(Path.of(options.get("tasks")));
        int batch = Integer.parseInt(options.getOrDefault("batch", "200"));
        double limitS = Double.parseDouble(options.getOrDefault("limit-s", "1e9"));
        int passes = Integer.parseInt(options.getOrDefault("passes", "3"));
        int warmHosts = Integer.parseInt(options.getOrDefault("warm-hosts", "1000"));
        double warmS = Double.parseDouble(options.getOrDefault("warm-s", "5"));
        boolean isBalanced = "zone-balance".equals(options.get("soft"));

        List<Host> few = hosts.subList(0, Math.min(warmHosts, hosts.size()));
        long warmUntil = System.nanoTime() + (long) (warmS * 1e9);
        do {
            pass(few, rows, batch, isBalanced, (warmUntil - System.nanoTime()) / 1e9);
        } while (System.nanoTime() < warmUntil);

        List<Pass> done = new ArrayList<>();
        for (int number = 0; number < passes; number++) {
            done.add(pass(hosts, rows, batch, isBalanced, limitS));
        }
        Pass last = done.get(done.size() - 1);
        if (options.containsKey("placement")) {
            write(Path.of(options.get("placement")), rows.subList(0, last.seen()), last);
        }
        System.out.println(json(done, hosts, rows));
    }

    /** One pass over the queue with a scheduler of its own, cut short when its time is over. */
    private static Pass pass(
            List<Host> hosts, List<Row> rows, int batch, boolean isBalanced, double limitS) {
        Map<String, Host> byName = new HashMap<>();
        Map<String, double[]> free = new HashMap<>();
        List<VirtualMachineLease> offers = new ArrayList<>();
        for (Host host : hosts) {
            byName.put(host.name(), host);
            free.put(host.name(), new double[] {host.cpus(), host.memory()});
            offers.add(lease(host, host.cpus(), host.memory(), 0));
        }
        List<Task> queue = queue(rows, isBalanced);
        Map<String, String> hostOfTask = new LinkedHashMap<>();
        List<Double> callsMs = new ArrayList<>();
        TaskScheduler scheduler = new TaskScheduler.Builder()
                .withLeaseRejectAction(offer -> { throw new IllegalStateException("rejected"); })
                .withLeaseOfferExpirySecs(1_000_000)
                .withFitnessCalculator(BinPackingFitnessCalculators.cpuMemBinPacker)
                .build();
        int seen = 0;
        double cpuBegan = processCpuS();
        long began = System.nanoTime();
        while (seen < queue.size() && (System.nanoTime() - began) / 1e9 < limitS) {
            long callBegan = System.nanoTime();
            List<Task> call = queue.subList(seen, Math.min(seen + batch, queue.size()));
            SchedulingResult result = scheduler.scheduleOnce(call, offers);
            if (!result.getExceptions().isEmpty()) {
                throw new IllegalStateException(result.getExceptions().get(0));
            }
            seen += call.size();
            offers = new ArrayList<>();
            for (VMAssignmentResult used : result.getResultMap().values()) {
                double[] left = free.get(used.getHostname());
                for (TaskAssignmentResult each : used.getTasksAssigned()) {
                    scheduler.getTaskAssigner().call(each.getRequest(), used.getHostname());
                    hostOfTask.put(each.getTaskId(), used.getHostname());
                    left[0] -= each.getRequest().getCPUs();
                    left[1] -= each.getRequest().getMemory();
                }
                // As Mesos does: what is left of a host is offered, unless nothing is.
                if (left[0] > 1e-9 || left[1] > 1e-9) {
                    Host host = byName.get(used.getHostname());
                    offers.add(lease(host, left[0], left[1], seen));
                }
            }
            callsMs.add((System.nanoTime() - callBegan) / 1e6);
        }
        double wallS = (System.nanoTime() - began) / 1e9;
        double cpuS = processCpuS() - cpuBegan;
        scheduler.shutdown();
        return new Pass(seen, hostOfTask, callsMs, wallS, cpuS);
    }

    private static Lease lease(Host host, double cpus, double memory, int number) {
        long now = System.currentTimeMillis();
        return new Lease(host.name() + "/" + number, host, cpus, memory, now);
    }

    /** The queue as requests; balance over zones is asked per job, of all tasks of the job. */
    private static List<Task> queue(List<Row> rows, boolean isBalanced) {
        Map<String, Set<String>> tasksOfJob = new HashMap<>();
        Map<String, String> jobOfTask = new HashMap<>();
        for (Row row : rows) {
            tasksOfJob.computeIfAbsent(row.job(), job -> new HashSet<>()).add(row.id());
            jobOfTask.put(row.id(), row.job());
        }
        Map<String, List<VMTaskFitnessCalculator>> softOfJob = new HashMap<>();
        List<Task> queue = new ArrayList<>();
        for (Row row : rows) {
            List<VMTaskFitnessCalculator> soft = !isBalanced ? List.of()
                    : softOfJob.computeIfAbsent(row.job(), job -> List.of(
                            new BalancedHostAttrConstraint(
                                    id -> tasksOfJob.get(jobOfTask.get(id)), ZONE, 3)
                            .asSoftConstraint()));
            queue.add(new Task(row, soft));
        }
        return queue;
    }

    private static double processCpuS() {
        var system = (com.sun.management.OperatingSystemMXBean)
                ManagementFactory.getOperatingSystemMXBean();
        return system.getProcessCpuTime() / 1e9;
    }

    private static String json(List<Pass> passes, List<Host> hosts, List<Row> rows) {
        double[] rates = passes.stream()
                .mapToDouble(each -> each.hostOfTask().size() / each.wallS()).sorted().toArray();
        double[] seenRates = passes.stream()
                .mapToDouble(each -> each.seen() / each.wallS()).sorted().toArray();
        double[] walls = passes.stream().mapToDouble(Pass::wallS).sorted().toArray();
        double[] cpus = passes.stream().mapToDouble(Pass::cpuS).sorted().toArray();
        double[] calls = passes.stream()
                .flatMap(each -> each.callsMs().stream())
                .mapToDouble(Double::doubleValue).sorted().toArray();
        Pass last = passes.get(passes.size() - 1);
        int skew = zoneSkew(last, hosts, rows);
        return String.format(Locale.ROOT,
                "{\"tasks\": %d, \"seen\": %d, \"placed\": %d, \"placed_per_sec\": %.1f, "
                + "\"seen_per_sec\": %.1f, \"hosts\": %d, \"hosts_used\": %d, \"zone_skew\": %d, "
                + "\"wall_s\": %.4f, \"cpu_s\": %.4f, \"call_p50_ms\": %.3f, "
                + "\"call_p99_ms\": %.3f, \"passes\": %d, \"java\": \"%s\"}",
                rows.size(), last.seen(), last.hostOfTask().size(), middle(rates),
                middle(seenRates), hosts.size(), new HashSet<>(last.hostOfTask().values()).size(),
                skew, middle(walls), middle(cpus), middle(calls),
                calls[Math.min(calls.length - 1, (int) (calls.length * 0.99))], passes.size(),
                System.getProperty("java.version"));
    }

    private static double middle(double[] sorted) {
        return sorted[sorted.length / 2];
    }

    /** The largest difference, over all jobs, between their fullest and their emptiest zone. */
    private static int zoneSkew(Pass pass, List<Host> hosts, List<Row> rows) {
        Map<String, String> zoneOfHost = new HashMap<>();
        Set<String> zones = new TreeSet<>();
        for (Host host : hosts) {
            Protos.Attribute zone = host.attributes().get(ZONE);
            if (zone != null) {
                zoneOfHost.put(host.name(), zone.getText().getValue());
                zones.add(zone.getText().getValue());
            }
        }
        Map<String, Map<String, Integer>> counts = new HashMap<>();
        for (Row row : rows) {
            String host = pass.hostOfTask().get(row.id());
            if (host != null && zoneOfHost.containsKey(host)) {
                counts.computeIfAbsent(row.job(), job -> new HashMap<>())
                        .merge(zoneOfHost.get(host), 1, Integer::sum);
            }
        }
        int skew = 0;
        for (Map<String, Integer> ofJob : counts.values()) {
            List<Integer> all = zones.stream().map(zone -> ofJob.getOrDefault(zone, 0)).toList();
            skew = Math.max(skew, Collections.max(all) - Collections.min(all));
        }
        return skew;
    }

    private static void write(Path path, List<Row> rows, Pass pass) throws IOException {
        try (PrintWriter out = new PrintWriter(Files.newBufferedWriter(path))) {
            out.println("task,host");
            for (Row row : rows) {
                out.println(row.id() + "," + pass.hostOfTask().getOrDefault(row.id(), ""));
            }
        }
    }

    private static List<Host> hosts(Path path) throws IOException {
        List<Host> hosts = new ArrayList<>();
        for (Map<String, String> row : table(path)) {
            Protos.Attribute zone = Protos.Attribute.newBuilder().setName(ZONE)
                    .setType(Protos.Value.Type.TEXT)
                    .setText(Protos.Value.Text.newBuilder().setValue(row.get("zone"))).build();
            // Fenzo asks for the attribute named null where none is set; Map.of would throw.
            Map<String, Protos.Attribute> attributes = new HashMap<>(Map.of(ZONE, zone));
            hosts.add(new Host(row.get("name"), Double.parseDouble(row.get("cpus")),
                    Double.parseDouble(row.get("mem")), attributes));
        }
        return hosts;
    }

    private static List<Row> rows(Path path) throws IOException {
        List<Row> rows = new ArrayList<>();
        for (Map<String, String> row : table(path)) {
            rows.add(new Row(row.get("id"), row.get("job"),
                    Double.parseDouble(row.get("cpus")), Double.parseDouble(row.get("mem"))));
        }
        return rows;
    }

    /** The rows of a CSV file by the names in its first line; no cell is quoted in these files. */
    private static List<Map<String, String>> table(Path path) throws IOException {
        List<String> lines = Files.readAllLines(path);
        List<String> names = Arrays.asList(lines.get(0).split(","));
        List<Map<String, String>> rows = new ArrayList<>();
        for (String line : lines.subList(1, lines.size())) {
            String[] cells = line.split(",", -1);
            Map<String, String> row = new HashMap<>();
            for (int number = 0; number < names.size(); number++) {
                row.put(names.get(number), cells[number]);
            }
            rows.add(row);
        }
        return rows;
    }

    private static Map<String, String> options(String[] arguments) {
        Map<String, String> options = new HashMap<>();
        for (int number = 0; number + 1 < arguments.length; number += 2) {
            options.put(arguments[number].replaceFirst("^--", ""), arguments[number + 1]);
        }
        return options;
    }
}
