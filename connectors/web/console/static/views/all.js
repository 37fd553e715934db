/**
 * All views of the console, one line each.
 *
 * The one thing to know: a view that is not named here is not there.
 */

import "./overview.js";
import "./jobs.js";
import "./job.js";
import "./tasks.js";
import "./task.js";
import "./query.js";
import "./event.js";
import "./groups.js";
import "./services.js";
import "./cost.js";
import "./alerts.js";
import "./safe.js";
import "./drains.js";
import "./fleet.js";
import "./health.js";
import "./leaders.js";
import "./policy.js";
import "./dashboards.js";
import "./diff.js";
import "./hosts.js";
import "./lines.js";
import "./marks_lane.js";
import "./task_timeline.js";
import "./waiting.js";
import "./waits.js";
import "./incident.js";
