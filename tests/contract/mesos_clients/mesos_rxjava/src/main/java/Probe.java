import com.mesosphere.mesos.rx.java.AwaitableSubscription;
import com.mesosphere.mesos.rx.java.MesosClientBuilder;
import com.mesosphere.mesos.rx.java.SinkOperation;
import com.mesosphere.mesos.rx.java.SinkOperations;
import com.mesosphere.mesos.rx.java.protobuf.ProtobufMesosClientBuilder;
import com.mesosphere.mesos.rx.java.protobuf.SchedulerCalls;
import com.mesosphere.mesos.rx.java.util.UserAgentEntries;
import java.net.URI;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.UUID;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.apache.mesos.v1.Protos.CommandInfo;
import org.apache.mesos.v1.Protos.FrameworkID;
import org.apache.mesos.v1.Protos.FrameworkInfo;
import org.apache.mesos.v1.Protos.Offer;
import org.apache.mesos.v1.Protos.Resource;
import org.apache.mesos.v1.Protos.TaskID;
import org.apache.mesos.v1.Protos.TaskInfo;
import org.apache.mesos.v1.Protos.TaskState;
import org.apache.mesos.v1.Protos.TaskStatus;
import org.apache.mesos.v1.Protos.Value;
import org.apache.mesos.v1.scheduler.Protos.Call;
import org.apache.mesos.v1.scheduler.Protos.Event;
import rx.Observable;

/**
 * A scheduler written with mesos-rxjava 0.1.2, built and run by test_mesos_rxjava.py.
 *
 * <p>Usage: Probe HOST:PORT. It chooses its own framework id and speaks protobuf. It launches a task
 * that ends well, one that ends badly and one that it kills, asks about an unknown one, and tears its
 * framework down. It prints one JSON line for each thing it saw.
 */
public final class Probe {
  private static final long DEADLINE_S = 60;
  private static final Map<String, String> COMMANDS =
      Map.of("good", "exit 0", "bad", "exit 7", "endless", "exec sleep 600");

  private final FrameworkID frameworkId =
      FrameworkID.newBuilder().setValue("rxjava-" + UUID.randomUUID()).build();
  private final Map<String, TaskState> missing = new TreeMap<>(Map.of(
      "good", TaskState.TASK_FINISHED, "bad", TaskState.TASK_FAILED, "endless", TaskState.TASK_KILLED));
  private final CountDownLatch tornDown = new CountDownLatch(1);
  private boolean isLaunched;
  private boolean isAsked;

  private static void say(String what, String facts) {
    System.out.println("{\"what\": \"" + what + "\"" + facts + "}");
  }

  private static Resource scalar(String name, double amount) {
    return Resource.newBuilder().setName(name).setType(Value.Type.SCALAR)
        .setScalar(Value.Scalar.newBuilder().setValue(amount)).setRole("*").build();
  }

  private Call.Builder call(Call.Type type) {
    return Call.newBuilder().setFrameworkId(frameworkId).setType(type);
  }

  private Call launch(Offer offer) {
    Offer.Operation.Launch.Builder launch = Offer.Operation.Launch.newBuilder();
    for (Map.Entry<String, String> entry : COMMANDS.entrySet()) {
      launch.addTaskInfos(TaskInfo.newBuilder()
          .setName(entry.getKey())
          .setTaskId(TaskID.newBuilder().setValue(entry.getKey()))
          .setAgentId(offer.getAgentId())
          .setCommand(CommandInfo.newBuilder().setValue(entry.getValue()))
          .addResources(scalar("cpus", 0.1))
          .addResources(scalar("mem", 32)));
    }
    Offer.Operation operation = Offer.Operation.newBuilder()
        .setType(Offer.Operation.Type.LAUNCH).setLaunch(launch).build();
    return call(Call.Type.ACCEPT)
        .setAccept(Call.Accept.newBuilder().addOfferIds(offer.getId()).addOperations(operation))
        .build();
  }

  private List<SinkOperation<Call>> offers(List<Offer> offers) {
    List<SinkOperation<Call>> calls = new ArrayList<>();
    for (Offer offer : offers) {
      if (isLaunched) {
        calls.add(SinkOperations.create(call(Call.Type.DECLINE)
            .setDecline(Call.Decline.newBuilder().addOfferIds(offer.getId())).build()));
      } else {
        isLaunched = true;
        calls.add(SinkOperations.create(launch(offer)));
      }
    }
    return calls;
  }

  private List<SinkOperation<Call>> update(TaskStatus status) {
    List<SinkOperation<Call>> calls = new ArrayList<>();
    String name = status.getTaskId().getValue();
    say("update", ", \"task\": \"" + name + "\", \"state\": \"" + status.getState() + "\"");
    if (status.hasUuid()) {
      calls.add(SinkOperations.create(SchedulerCalls.ackUpdate(
          frameworkId, status.getUuid(), status.getAgentId(), status.getTaskId())));
    }
    if (name.equals("endless") && status.getState() == TaskState.TASK_RUNNING) {
      calls.add(SinkOperations.create(call(Call.Type.KILL)
          .setKill(Call.Kill.newBuilder().setTaskId(status.getTaskId())).build()));
    }
    missing.remove(name, status.getState());
    if (missing.isEmpty() && !isAsked) {
      isAsked = true;
      Call.Reconcile.Task ghost = Call.Reconcile.Task.newBuilder()
          .setTaskId(TaskID.newBuilder().setValue("ghost")).build();
      calls.add(SinkOperations.create(call(Call.Type.RECONCILE)
          .setReconcile(Call.Reconcile.newBuilder().addTasks(ghost)).build()));
    }
    if (name.equals("ghost")) {
      calls.add(SinkOperations.create(
          call(Call.Type.TEARDOWN).build(), tornDown::countDown, error -> tornDown.countDown()));
    }
    return calls;
  }

  private List<SinkOperation<Call>> react(Event event) {
    switch (event.getType()) {
      case SUBSCRIBED:
        // Its messages are those of Mesos 1.0, which told nothing of the master.
        say("registered",
            ", \"framework_id\": \"" + event.getSubscribed().getFrameworkId().getValue() + "\"");
        return List.of();
      case OFFERS:
        return offers(event.getOffers().getOffersList());
      case UPDATE:
        return update(event.getUpdate().getStatus());
      default:
        return List.of();
    }
  }

  private void run(String address) throws InterruptedException {
    FrameworkInfo info = FrameworkInfo.newBuilder().setId(frameworkId).setUser("root")
        .setName("mesos-rxjava").setCheckpoint(true).setFailoverTimeout(60).build();
    MesosClientBuilder<Call, Event> builder = ProtobufMesosClientBuilder.schedulerUsingProtos();
    AwaitableSubscription stream = builder
        .mesosUri(URI.create("http://" + address + "/api/v1/scheduler"))
        .applicationUserAgentEntry(UserAgentEntries.literal("probe", "1"))
        .subscribe(SchedulerCalls.subscribe(frameworkId, info))
        .processStream(events -> events.flatMap(event -> Observable.from(react(event)))
            .map(Optional::of))
        .build()
        .openStream();
    boolean isFinished = tornDown.await(DEADLINE_S, TimeUnit.SECONDS);
    stream.unsubscribe();
    StringBuilder names = new StringBuilder();
    for (String name : missing.keySet()) {
      names.append(names.length() > 0 ? ", " : "").append('"').append(name).append('"');
    }
    say("end", ", \"finished\": " + isFinished + ", \"missing\": [" + names + "]");
  }

  public static void main(String[] arguments) throws InterruptedException {
    new Probe().run(arguments[0]);
    System.exit(0);
  }
}
