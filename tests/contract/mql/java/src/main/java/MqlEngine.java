import com.fasterxml.jackson.databind.ObjectMapper;
import io.mantisrx.mql.jvm.Core;
import io.mantisrx.mql.jvm.core.Query;
import io.mantisrx.mql.shaded.clojure.java.api.Clojure;
import io.mantisrx.mql.shaded.clojure.lang.BigInt;
import io.mantisrx.mql.shaded.clojure.lang.IFn;
import io.mantisrx.mql.shaded.clojure.lang.Ratio;
import java.io.BufferedReader;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import rx.Observable;

/** Asks the engine: a question on a JSON line, its answer on a JSON line. */
public final class MqlEngine {
  private static final String CLOJURE = "io.mantisrx.mql.shaded.clojure.core";
  private static final String SERVER = "io.mantisrx.mql.jvm.interfaces.server";
  private static final String CORE = "io.mantisrx.mql.jvm.interfaces.core";
  private static final int TIMEOUT_S = 20;

  private final IFn parses;
  private final IFn parseError;
  private final IFn makeQuery;
  private final ObjectMapper json = new ObjectMapper();

  private MqlEngine() {
    IFn require = Clojure.var(CLOJURE, "require");
    require.invoke(Clojure.read(SERVER));
    require.invoke(Clojure.read(CORE));
    parses = Clojure.var(CORE, "parses?");
    parseError = Clojure.var(CORE, "get-parse-error");
    makeQuery = Clojure.var(SERVER, "make-query");
  }

  public static void main(String[] words) throws Exception {
    MqlEngine engine = new MqlEngine();
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    PrintStream out = new PrintStream(new FileOutputStream(FileDescriptor.out), true, "UTF-8");
    String line;
    while ((line = in.readLine()) != null) {
      out.println(engine.json.writeValueAsString(engine.answered(line)));
    }
    System.exit(0);
  }

  @SuppressWarnings("unchecked")
  private Map<String, Object> answered(String line) throws Exception {
    Map<String, Object> question = json.readValue(line, LinkedHashMap.class);
    String mql = (String) question.get("mql");
    Map<String, Object> answer = new LinkedHashMap<>();
    try {
      if (!(Boolean) parses.invoke(mql)) {
        answer.put("refused", String.valueOf(parseError.invoke(mql)));
      } else if (question.containsKey("passes")) {
        measure(question, mql, answer);
      } else {
        answer.put("rows", plain(rows(question, mql)));
      }
    } catch (Throwable thrown) {
      Throwable cause = thrown;
      while (cause.getCause() != null) {
        cause = cause.getCause();
      }
      answer.put("died", cause.getClass().getSimpleName() + ": " + cause.getMessage());
    }
    return answer;
  }

  @SuppressWarnings({"unchecked", "rawtypes"})
  private List<Object> rows(Map<String, Object> question, String mql) {
    List<Map> events = (List<Map>) question.get("events");
    String mode = (String) question.get("mode");
    if (mode.equals("server")) {
      Query query = (Query) makeQuery.invoke("subscription", mql);
      List<Object> rows = new ArrayList<>();
      for (Map event : events) {
        if (query.sample(event) && query.matches(event)) {
          rows.add(query.project(event));
        }
      }
      return rows;
    }
    Map<String, Object> streams = new HashMap<>();
    for (String name : (List<String>) question.getOrDefault("streams", List.of("stream"))) {
      streams.put(name, Observable.from(events));
    }
    Observable<Object> answer = Core.evalMql(mql, streams, mode, false);
    return answer.toList().timeout(TIMEOUT_S, TimeUnit.SECONDS).toBlocking().first();
  }

  /** How many events a second are tested, and projected where they match, in the best pass. */
  @SuppressWarnings({"unchecked", "rawtypes"})
  private void measure(Map<String, Object> question, String mql, Map<String, Object> answer) {
    List<Map> events = (List<Map>) question.get("events");
    Query query = (Query) makeQuery.invoke("subscription", mql);
    long best = Long.MAX_VALUE;
    int matched = 0;
    for (int pass = 0; pass < (Integer) question.get("passes"); pass++) {
      long began = System.nanoTime();
      matched = 0;
      for (Map event : events) {
        if (query.matches(event)) {
          query.project(event);
          matched++;
        }
      }
      best = Math.min(best, System.nanoTime() - began);
    }
    answer.put("per_second", events.size() / (best / 1e9));
    answer.put("matched", matched);
  }

  /** The value as JSON has it; what no reader could use is told. */
  private static Object plain(Object value) {
    if (value instanceof Map<?, ?> map) {
      Map<String, Object> copy = new LinkedHashMap<>();
      map.forEach((key, each) -> copy.put(String.valueOf(key), plain(each)));
      return copy;
    }
    if (value instanceof Collection<?> collection) {
      List<Object> copy = new ArrayList<>();
      collection.forEach(each -> copy.add(plain(each)));
      return copy;
    }
    if (value instanceof Ratio ratio) {
      return ratio.doubleValue();
    }
    if (value instanceof BigInt number) {
      return number.toBigInteger();
    }
    if (value instanceof Double number && !Double.isFinite(number)) {
      return String.valueOf(number);
    }
    if (value instanceof Observable) {
      throw new IllegalStateException("a row is a stream that nobody can read");
    }
    return value;
  }
}
