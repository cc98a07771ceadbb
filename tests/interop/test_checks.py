"""Which test makes which check of wire-format §18, A to D and G; the Web UI (F) is in `test_web`.

A check is made in both directions where it can be, each by a test of its own. What Sidekiq 6.4.1 cannot take part in
is tested on data as its specification has it.
"""

import importlib
import re
from typing import Final

import pytest

CHECKS: Final = {
    "A1 Ruby pushes, Python runs": ["interop.test_push.test_what_ruby_pushes_runs_here_with_equal_arguments"],
    "A2 Python pushes, Ruby runs": ["interop.test_push.test_what_is_pushed_here_runs_in_ruby_and_keeps_its_bytes"],
    "A3 bulk pushes": ["interop.test_push.test_bulk_pushes_keep_their_order_both_ways"],
    "A4 a new queue": ["interop.test_push.test_ruby_finds_a_new_queue_and_its_latency"],
    "A5 clear and delete": [
        "interop.test_push.test_ruby_deletes_jobs_and_clears_a_queue",
        "interop.test_api.test_ruby_reads_and_deletes_what_python_has_queued",
        "interop.test_api.test_python_reads_and_deletes_what_ruby_has_queued",
    ],
    "A6 order of queues": [
        "interop.test_push.test_both_sides_take_from_queues_in_the_same_strict_order",
        "interop.test_push.test_weights_mean_the_same_shares_on_both_sides",
    ],
    "A7 unknown keys": [
        "interop.test_push.test_unknown_keys_of_a_ruby_payload_survive_a_failure_here_in_order",
        "interop.test_push.test_unknown_keys_of_a_ruby_payload_are_there_in_order_when_it_is_run_again_here",
    ],
    "B8 for later": [
        "interop.test_schedule.test_ruby_promotes_and_runs_what_is_scheduled_here",
        "interop.test_schedule.test_what_ruby_schedules_is_promoted_and_run_here",
    ],
    "B9 failing on both sides": [
        "interop.test_retries.test_a_job_fails_here_then_in_ruby_and_then_its_third_attempt_is_here",
        "interop.test_retries.test_a_job_fails_in_ruby_then_here_and_then_its_third_attempt_is_in_ruby",
    ],
    "B10 options": ["interop.test_retries.test_options_of_a_failing_job_mean_the_same_on_both_sides"],
    "B11 back from the dead": [
        "interop.test_retries.test_ruby_brings_back_what_is_dead_here",
        "interop.test_sets.test_what_each_side_has_killed_comes_back_by_the_other",
    ],
    "B12 rescheduling": [
        "interop.test_schedule.test_ruby_reschedules_without_leaving_a_second_entry",
        "interop.test_schedule.test_ruby_would_write_every_float_with_the_same_bytes",
        "interop.test_sets.test_what_ruby_scheduled_has_one_entry_after_each_side_has_rescheduled_it",
    ],
    "B13 finding and steering retries": [
        "interop.test_retries.test_ruby_finds_fetches_and_scans_retries_of_here",
        "interop.test_retries.test_ruby_moves_one_of_several_retries_with_the_same_score",
        "interop.test_retries.test_ruby_retries_all_that_failed_here",
        "interop.test_sets.test_ruby_finds_what_is_written_here",
        "interop.test_sets.test_ruby_steers_what_is_written_here_and_keeps_equal_scores_apart",
        "interop.test_sets.test_what_ruby_wrote_is_found_here",
        "interop.test_sets.test_what_ruby_wrote_is_steered_here_and_equal_scores_are_kept_apart",
        "interop.test_sets.test_all_that_ruby_wrote_is_steered_here",
    ],
    "B14 long messages": [
        "interop.test_retries.test_long_messages_with_bytes_that_are_no_text_are_cut_and_readable_on_both_sides"
    ],
    "B15 what is not JSON": ["interop.test_retries.test_what_is_not_json_goes_to_the_dead_set_as_it_is"],
    "B16 limits of the dead set": [
        "interop.test_retries.test_both_sides_keep_one_dead_job_less_than_the_limit",
        "interop.test_retries.test_dead_jobs_older_than_half_a_year_go_when_another_dies",
        "interop.test_sets.test_three_kills_leave_two_entries_on_both_sides",
    ],
    "C17 processes": [
        "interop.test_processes.test_ruby_sees_a_worker_its_work_and_takes_neither_for_dead",
        "interop.test_api.test_python_sees_a_ruby_worker_and_what_it_runs",
        # `weights` and `version`, which only Sidekiq 7 reads.
        "integration.api.test_processes.test_tells_what_a_worker_of_ours_is_and_runs",
    ],
    "C18 running jobs": [
        "interop.test_processes.test_ruby_sees_a_worker_its_work_and_takes_neither_for_dead",
        "interop.test_api.test_python_sees_a_ruby_worker_and_what_it_runs",
        # `:work`, from which only Sidekiq 7 reads them.
        "integration.api.test_processes.test_merges_what_both_names_of_the_work_hash_hold",
    ],
    "C19 quiet, stop, dump": [
        "interop.test_processes.test_ruby_quiets_stops_and_dumps_a_worker",
        "interop.test_api.test_python_quiets_stops_and_dumps_a_ruby_worker",
        "interop.test_api.test_ruby_refuses_the_embedded_worker_as_python_does",
    ],
    "C20 killed and gone": [
        "interop.test_processes.test_a_killed_worker_vanishes_and_ruby_prunes_it",
        "interop.test_api.test_python_prunes_a_ruby_worker_that_was_killed",
        # The clean stop.
        "interop.test_processes.test_ruby_quiets_stops_and_dumps_a_worker",
    ],
    "C21 cut off by a stop": [
        "interop.test_processes.test_a_job_cut_off_by_a_stop_is_next_and_unchanged_for_the_other_side"
    ],
    "C22 Redis restarted": ["interop.test_processes.test_both_sides_go_on_after_redis_was_restarted_under_load"],
    "D23 counters": [
        "interop.test_counters.test_successes_and_failures_of_both_sides_add_up",
        "interop.test_api.test_both_sides_tell_the_same_figures",
    ],
    # Sidekiq 6.4.1 has no metrics and no deploy marks.
    "D24 metrics": [
        "integration.store.test_metrics.test_writes_what_each_version_of_sidekiq_reads",
        "integration.store.test_metrics.test_what_ruby_counts_is_added_and_what_we_wrote_twice_is_not",
        "interop.test_metrics.test_a_ruby_that_knows_no_metrics_is_not_disturbed",
    ],
    "D25 deploy marks": [
        "integration.api.test_deploys.test_a_mark_is_stored_as_sidekiq_reads_it",
        "integration.api.test_deploys.test_two_marks_in_a_minute_become_one",
    ],
    "G31 defective payloads": [
        "interop.test_api.test_python_runs_or_buries_every_defect_that_breaks_pages_of_ruby",
        "interop.test_api.test_python_lists_every_defect_that_breaks_pages_of_ruby",
        "integration.hostile_payloads.test_ends.test_in_a_queue",
        "integration.hostile_payloads.test_ends.test_due_in_a_set",
    ],
    "G32 seconds and milliseconds": ["interop.test_api.test_python_shows_one_instant_alike_however_it_was_written"],
    "G33 backtraces": [
        "interop.test_api.test_python_shows_the_backtraces_that_ruby_wrote",
        "unit.api.test_records.test_reads_every_encoding_of_a_backtrace",
    ],
    "G34 paused queues": [
        "interop.test_api.test_a_queue_that_ruby_pauses_is_left_alone_until_it_ends_the_pause",
        "integration.worker.test_pauses.test_a_parked_worker_heeds_a_pause_that_others_made_and_its_end",
    ],
    "G35 the leader": ["interop.test_api.test_both_sides_mark_the_leader"],
}


@pytest.mark.parametrize("check", CHECKS)
def test_the_tests_of_a_check_are_there(check: str) -> None:
    for name in CHECKS[check]:
        module, _, function = name.rpartition(".")
        assert callable(getattr(importlib.import_module(f"tests.{module}"), function, None)), name


def test_each_check_is_listed_once() -> None:
    numbers = [re.match("[A-G]([0-9]+) ", check)[1] for check in CHECKS]  # type: ignore[index]

    assert numbers == [str(number) for number in (*range(1, 26), *range(31, 36))]
