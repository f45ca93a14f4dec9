"""The log: one contract over every implementation, then what only files can suffer."""

from __future__ import annotations

import errno
import itertools
import signal
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from engine.errors import DataTooNew, LogDamaged, LogRefused, LogTrimmed
from engine.log import FileLog, Log, MemoryLog, verify_folder
from engine.records import Entry, PingRows, Record, Tick, encode
from engine.segments import EMPTY_BYTES, FORMAT, HEADER, MAGIC, MARK, header
from geofence.columns import Pings
from tests.engine.simulated_files import SimulatedFiles

FOLDER = Path("/data/log")
Opener = Callable[[], Log]


def pings(count: int, seed: int = 0) -> PingRows:
    noise = np.random.default_rng(seed)
    return PingRows.of(
        ("a", "b"),
        Pings(
            visitor=noise.integers(0, 2, count, np.int32),
            fix_ms=noise.integers(0, 10**12, count),
            lon=noise.uniform(-180, 180, count),
            lat=noise.uniform(-90, 90, count),
            accuracy_m=np.full(count, 5, np.float32),
            speed_mps=np.full(count, -1, np.float32),
            flags=np.zeros(count, np.uint8),
        ),
    )


def records_at(position: int, *entries: Entry) -> list[Record]:
    out: list[Record] = []
    for entry in entries:
        out.append(Record(position=position, received_ms=position, entry=entry))
        position = out[-1].end
    return out


def put(log: Log, *entries: Entry) -> list[Record]:
    """Append the entries in one batch; returns them as they should be read."""
    records = records_at(log.end, *entries)
    end = log.append([encode(record) for record in records])
    assert end == log.end == (records[-1].end if records else log.end)
    return records


def ticks(count: int) -> list[Entry]:
    return [Tick(now_ms=1000 + i) for i in range(count)]


@pytest.fixture(params=["memory", "disk", "disk by interval", "simulated"])
def log(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Log]:
    made: dict[str, Opener] = {
        "memory": MemoryLog,
        "disk": lambda: FileLog(tmp_path / "log", segment_bytes_max=400),
        "disk by interval": lambda: FileLog(
            tmp_path / "log", segment_bytes_max=400, durability="interval", interval_ms=10**6
        ),
        "simulated": lambda: FileLog(FOLDER, files=SimulatedFiles(0), segment_bytes_max=400),
    }
    log = made[request.param]()
    yield log
    log.close()


class TestContract:
    """What the engine may rely on, whatever the log."""

    def test_a_new_log_is_empty(self, log: Log) -> None:
        assert (log.first, log.end, log.durable_end) == (0, 0, 0)
        assert list(log.replay()) == []
        assert log.append([]) == 0

    def test_what_was_appended_is_replayed_in_order(self, log: Log) -> None:
        written = [*put(log, pings(5), Tick(now_ms=1)), *put(log, pings(30), pings(2))]
        assert log.end == 38
        assert list(log.replay()) == written

    def test_replay_begins_with_the_record_that_holds_the_position(self, log: Log) -> None:
        written = put(log, *ticks(3), pings(4), *ticks(40))
        for position in range(log.end + 1):
            expected = [record for record in written if record.end > position]
            assert list(log.replay(position)) == expected

    def test_a_replay_ends_where_the_log_ended_when_it_began(self, log: Log) -> None:
        written = put(log, *ticks(3))
        replay = log.replay()
        first = next(replay)
        put(log, *ticks(20))
        assert [first, *replay] == written

    def test_a_record_that_does_not_begin_at_the_end_is_a_programmer_s_error(
        self, log: Log
    ) -> None:
        put(log, *ticks(2))
        with pytest.raises(AssertionError):
            log.append([encode(records_at(7, Tick(now_ms=1))[0])])
        assert log.end == 2

    def test_sync_makes_everything_durable(self, log: Log) -> None:
        put(log, *ticks(3))
        log.sync()
        assert log.durable_end == log.end == 3
        assert log.info().durable_end == 3

    def test_trimming_keeps_what_was_asked_for_and_says_where_the_log_begins(
        self, log: Log
    ) -> None:
        written = [record for i in range(60) for record in put(log, Tick(now_ms=i))]
        first = log.trim(40)
        assert 0 < first <= 40
        assert log.first == log.info().first == first
        assert list(log.replay(40)) == written[40:]
        assert list(log.replay(first)) == written[first:]
        with pytest.raises(LogTrimmed) as caught:
            list(log.replay(first - 1))
        assert (caught.value.asked, caught.value.first) == (first - 1, first)
        assert put(log, Tick(now_ms=61)) == list(log.replay(60))

    def test_skipping_leaves_a_gap_that_later_records_stand_behind(self, log: Log) -> None:
        before = put(log, *ticks(3))
        log.skip(log.end)
        log.skip(10)
        after = put(log, *ticks(2))
        assert after[0].position == 10
        assert list(log.replay()) == [*before, *after]
        assert list(log.replay(5)) == after

    def test_a_sound_log_verifies_with_its_counts(self, log: Log) -> None:
        put(log, pings(6), *ticks(20))
        verified = log.verify()
        assert (verified.records, verified.entries, verified.end) == (21, 26, 26)
        assert verified.tail is None
        assert log.info().end == 26
        assert log.info().size_bytes > 0


def test_a_reopened_log_goes_on_where_it_ended(tmp_path: Path) -> None:
    written: list[Record] = []
    for round_ in range(4):
        log = FileLog(tmp_path, segment_bytes_max=300)
        assert log.end == len(written)
        assert log.info().cut is None
        for i in range(3):
            written += put(log, Tick(now_ms=round_), Tick(now_ms=i))
        log.close()
        log.close()
    log = FileLog(tmp_path)
    assert list(log.replay()) == written
    assert log.info().segments > 1
    log.close()
    assert verify_folder(tmp_path).records == len(written)


def test_verifying_an_empty_folder_finds_nothing(tmp_path: Path) -> None:
    assert verify_folder(tmp_path).records == 0


def test_a_reopened_log_remembers_a_gap(tmp_path: Path) -> None:
    log = FileLog(tmp_path)
    written = put(log, *ticks(2))
    log.skip(9)
    log.close()
    log = FileLog(tmp_path)
    assert log.end == 9
    written += put(log, *ticks(1))
    assert list(log.replay()) == written
    log.close()


def three_appends(files: SimulatedFiles, **options: int) -> tuple[list[Record], list[int]]:
    """Three appends, and the file's size after each; the process is then killed."""
    log = FileLog(FOLDER, files=files, **options)
    written: list[Record] = []
    sizes = []
    for i in range(3):
        written += put(log, pings(3, seed=i), Tick(now_ms=i))
        sizes.append(len(files.content(only_segment(files))))
    files.kill()
    return written, sizes


def only_segment(files: SimulatedFiles) -> Path:
    (name,) = files.names(FOLDER)
    return FOLDER / name


def test_a_tail_cut_at_any_byte_loses_only_the_records_it_touches_and_is_reported() -> None:
    whole = SimulatedFiles(0)
    written, sizes = three_appends(whole)
    third = sizes[1] + MARK.size
    whole_at = [sizes[1], third, third + len(encode(written[4]))]
    for size in range(sizes[1], sizes[2]):
        files = SimulatedFiles(0)
        three_appends(files)
        del files.content(only_segment(files))[size:]
        verified = verify_folder(FOLDER, files)
        log = FileLog(FOLDER, files=files)
        cut = log.info().cut
        assert verified.tail == cut
        kept = list(log.replay())
        assert kept == written[: len(kept)]
        assert len(kept) >= 4  # the two appends before are whole
        if cut:
            assert (cut.path, cut.offset + cut.size_bytes) == (str(only_segment(files)), size)
        else:
            assert size in whole_at
        again = put(log, Tick(now_ms=99))
        files.kill()
        assert list(FileLog(FOLDER, files=files).replay()) == [*kept, *again]


def test_damage_at_any_byte_of_the_last_append_is_cut_and_before_it_refused() -> None:
    whole = SimulatedFiles(0)
    written, sizes = three_appends(whole)
    for at in range(sizes[2]):
        files = SimulatedFiles(0)
        three_appends(files)
        path = only_segment(files)
        files.content(path)[at] ^= 0x55
        before = bytes(files.content(path))
        if at < sizes[1]:
            with pytest.raises(LogDamaged) as caught:
                FileLog(FOLDER, files=files)
            assert caught.value.path == str(path)
            assert caught.value.offset <= at
            with pytest.raises(LogDamaged):
                verify_folder(FOLDER, files)
            assert bytes(files.content(path)) == before
        else:
            log = FileLog(FOLDER, files=files)
            kept = list(log.replay())
            assert 4 <= len(kept) < 6
            assert kept == written[: len(kept)]
            cut = log.info().cut
            assert cut is not None
            assert cut.offset <= at < cut.offset + cut.size_bytes


def test_a_closed_log_is_sealed_so_that_even_its_last_record_cannot_pass_for_torn() -> None:
    files = SimulatedFiles(0)
    log = FileLog(FOLDER, files=files)
    put(log, *ticks(1))
    log.close()
    files.content(only_segment(files))[EMPTY_BYTES + 9] ^= 1
    with pytest.raises(LogDamaged):
        FileLog(FOLDER, files=files)


@pytest.mark.parametrize("damage", ["flip", "cut", "missing"])
def test_damage_in_an_earlier_segment_is_named_when_it_is_read(damage: str) -> None:
    files = SimulatedFiles(0)
    log = FileLog(FOLDER, files=files, segment_bytes_max=200)
    for i in range(30):
        put(log, Tick(now_ms=i))
    victim = FOLDER / sorted(files.names(FOLDER))[2]
    if damage == "flip":
        files.content(victim)[EMPTY_BYTES + 20] ^= 1
    elif damage == "cut":
        del files.content(victim)[-5:]
    else:
        files.remove(victim)
    files.kill()
    log = FileLog(FOLDER, files=files, segment_bytes_max=200)
    for read in (lambda: list(log.replay()), log.verify, lambda: verify_folder(FOLDER, files)):
        with pytest.raises(LogDamaged) as caught:
            read()
        assert caught.value.offset > 0
        if damage != "missing":
            assert caught.value.path == str(victim)
    assert list(log.replay(25))[-1].position == 29


def test_a_segment_of_a_later_format_is_refused(tmp_path: Path) -> None:
    FileLog(tmp_path).close()
    (path,) = tmp_path.iterdir()
    head = struct.pack("<8sIQQ", MAGIC, FORMAT + 1, 0, 0)
    path.write_bytes(head + struct.pack("<I", zlib.crc32(head)))
    with pytest.raises(DataTooNew):
        FileLog(tmp_path)


@pytest.mark.parametrize("content", [b"", bytes(HEADER.size), header(5, 5)])
def test_a_segment_without_its_header_is_refused(tmp_path: Path, content: bytes) -> None:
    FileLog(tmp_path).close()
    (path,) = tmp_path.iterdir()
    path.write_bytes(content)
    with pytest.raises(LogDamaged):
        FileLog(tmp_path)


@pytest.mark.parametrize("durability", ["fsync", "interval"])
@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO, errno.EROFS])
@pytest.mark.parametrize("call", ["write", "fsync", "create", "rename", "truncate", "fsync_folder"])
def test_a_disk_that_refuses_is_told_and_service_resumes_when_it_heals(
    call: str, error: int, durability: str
) -> None:
    files = SimulatedFiles(1)
    log = FileLog(
        FOLDER,
        files=files,
        segment_bytes_max=150,
        durability="interval" if durability == "interval" else "fsync",
        interval_ms=0 if durability == "interval" else 1000,
    )
    written = put(log, *ticks(1))
    files.fail(call, error, times=1000)
    if call == "truncate":
        files.fail("write", error, times=1000)
    reasons: list[str] = []
    for i in range(6):
        try:
            written += put(log, Tick(now_ms=100 + i))
        except LogRefused as refusal:
            reasons.append(refusal.reason)
    assert reasons
    assert all(errno.errorcode[error] in reason for reason in reasons)
    assert log.info().refused == reasons[-1]
    assert log.end == len(written)
    assert list(log.replay()) == written
    files.heal()
    written += put(log, *ticks(3))
    assert log.info().refused == ""
    assert list(log.replay()) == written
    files.power_loss()
    assert list(FileLog(FOLDER, files=files).replay()) == written


def test_a_log_by_interval_syncs_when_the_interval_is_over_and_not_before() -> None:
    now_s = 0.0
    files = SimulatedFiles(0)
    log = FileLog(
        FOLDER, files=files, durability="interval", interval_ms=1000, monotonic_s=lambda: now_s
    )
    files.calls.clear()
    put(log, *ticks(1))
    now_s = 0.999
    put(log, *ticks(1))
    assert "fsync" not in files.calls
    assert log.durable_end == 0
    now_s = 1.0
    put(log, *ticks(1))
    assert files.calls.count("fsync") == 1
    assert log.durable_end == 3


def test_a_log_by_interval_survives_the_loss_of_pages_that_a_failed_fsync_leaves() -> None:
    """The first fsync fails and drops its pages; only writing them again saves them."""
    files = SimulatedFiles(0)
    log = FileLog(FOLDER, files=files, durability="interval", interval_ms=10**6)
    written = put(log, *ticks(5))
    files.fail("fsync")
    log.sync()
    assert log.durable_end == 5
    files.power_loss()
    assert list(FileLog(FOLDER, files=files).replay()) == written


def test_a_sync_that_cannot_be_had_is_refused_and_can_be_tried_again() -> None:
    files = SimulatedFiles(0)
    log = FileLog(FOLDER, files=files, durability="interval", interval_ms=10**6)
    written = put(log, *ticks(5))
    files.fail("fsync", times=2)
    with pytest.raises(LogRefused):
        log.sync()
    assert (log.end, log.durable_end) == (5, 0)
    log.sync()
    assert log.durable_end == 5
    files.fail("create")
    with pytest.raises(LogRefused):
        log.skip(9)
    assert put(log, *ticks(1))[0].position == 5
    files.power_loss()
    assert list(FileLog(FOLDER, files=files).replay())[:5] == written


class Judge:
    """Knows what was acknowledged and what was merely attempted."""

    def __init__(self, files: SimulatedFiles) -> None:
        self.files = files
        self.acknowledged: list[Record] = []
        self.attempted: set[bytes] = set()
        self.numbers = itertools.count()

    def append(self, log: Log) -> None:
        chance = self.files.random
        entries: list[Entry] = [
            pings(chance.randint(1, 30), next(self.numbers))
            if chance.random() < 0.5
            else Tick(now_ms=next(self.numbers))
            for _ in range(chance.randint(1, 3))
        ]
        records = records_at(log.end, *entries)
        self.attempted |= {encode(record) for record in records}
        try:
            log.append([encode(record) for record in records])
        except LogRefused:
            return
        self.acknowledged += records

    def reopened(self, log: Log, durable_end: int) -> None:
        found = list(log.replay())
        durable = [record for record in self.acknowledged if record.end <= durable_end]
        common = min(len(found), len(self.acknowledged))
        assert found[:common] == self.acknowledged[:common], "other records than acknowledged"
        assert found[: len(durable)] == durable, "an acknowledged record is lost"
        extra = found[common:]
        assert all(encode(record) in self.attempted for record in extra), "records of no one"
        self.acknowledged = found


def history(files: SimulatedFiles, durability: str, *, faults: bool = True) -> None:
    """A life of appends, failures, kills and power cuts, judged at each start."""
    judge = Judge(files)
    chance = files.random

    def opened() -> FileLog:
        while True:
            try:
                return FileLog(
                    FOLDER,
                    files=files,
                    segment_bytes_max=2000,
                    durability="fsync" if durability == "fsync" else "interval",
                    interval_ms=10**9,
                )
            except OSError:
                files.heal()

    log = opened()
    for _ in range(chance.randint(5, 40)):
        what = chance.random()
        if what < 0.15 and faults:
            calls = ["write", "fsync", "create", "rename", "truncate", "fsync_folder", "remove"]
            errors = [errno.ENOSPC, errno.EIO]
            files.fail(chance.choice(calls), chance.choice(errors), chance.randint(1, 3))
        elif what < 0.2:
            try:
                log.sync()
            except LogRefused:
                files.heal()
        elif what < 0.25:
            end = log.end
            files.kill()
            log = opened()
            judge.reopened(log, end)
        elif what < 0.35:
            durable_end = log.end if durability == "fsync" else log.durable_end
            files.power_loss()
            log = opened()
            judge.reopened(log, durable_end)
        else:
            judge.append(log)
    durable_end = log.end if durability == "fsync" else log.durable_end
    files.power_loss()
    judge.reopened(opened(), durable_end)


@pytest.mark.parametrize("durability", ["fsync", "interval"])
def test_acknowledged_means_survives_power_loss(durability: str) -> None:
    for seed in range(300):
        try:
            history(SimulatedFiles(seed), durability)
        except Exception as error:
            raise AssertionError(f"seed {seed}") from error


class NoFsync(SimulatedFiles):
    def fsync(self, file: int) -> None:
        self._called("fsync")


class NoFolderFsync(SimulatedFiles):
    def fsync_folder(self, folder: Path) -> None:
        self._called("fsync_folder")


@pytest.mark.parametrize("durability", ["fsync", "interval"])
@pytest.mark.parametrize("forgetful", [NoFsync, NoFolderFsync])
def test_a_log_that_leaves_out_an_fsync_is_caught(
    forgetful: type[SimulatedFiles], durability: str
) -> None:
    caught = 0
    for seed in range(60):
        try:
            history(forgetful(seed), durability, faults=False)
        except (AssertionError, LogDamaged):
            caught += 1
    assert caught > 0


CHILD = """
import sys
from pathlib import Path
from engine.log import FileLog
from engine.records import Record, Tick, encode
from tests.engine.test_log import pings
log = FileLog(Path(sys.argv[1]), durability=sys.argv[2], segment_bytes_max=20_000)
print("open", log.end, flush=True)
seed = log.end
while True:
    record = Record(position=log.end, received_ms=0, entry=pings(1 + seed % 90, seed))
    sys.stdout.write(f"{log.append([encode(record)])}\\n")
    sys.stdout.flush()
    seed += 1
"""


@pytest.mark.parametrize("durability", ["fsync", "interval"])
def test_a_killed_process_loses_nothing_that_it_acknowledged(
    tmp_path: Path, durability: str
) -> None:
    noise = np.random.default_rng(4)
    acknowledged = 0
    for _ in range(4):
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(tmp_path), durability],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert child.stdout is not None
        assert child.stdout.readline() != ""
        time.sleep(float(noise.uniform(0.0, 0.15)))
        child.send_signal(signal.SIGKILL)
        lines = child.stdout.read().split("\n")
        child.wait()
        child.stdout.close()
        acknowledged = max([acknowledged, *(int(line) for line in lines[:-1])])
        verify_folder(tmp_path)
        log = FileLog(tmp_path)
        assert log.end >= acknowledged
        position = 0
        for record in log.replay():
            assert record.position == position
            position = record.end
        assert position == log.end
        acknowledged = log.end
        log.close()
    assert acknowledged > 0


def test_what_a_crash_left_unfinished_is_removed_at_opening() -> None:
    """It counts for nothing, and may hold what was to be erased."""
    files = SimulatedFiles(0)
    log = FileLog(FOLDER, files=files)
    put(log, *ticks(3))
    log.close()
    left = FOLDER / "00000000000000000003.new"
    files.close(files.create(left))
    again = FileLog(FOLDER, files=files)
    assert left.name not in files.names(FOLDER)
    assert again.end == 3
    again.close()
