import io

from fakeforensics.faces.progress import Progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_the_line_says_what_is_done_and_how_long_it_takes():
    now = [0.0]
    out = Terminal()
    progress = Progress("celeb", 4, out, clock=lambda: now[0])
    now[0] = 10.0
    progress.add(32, resumed=False)
    progress.add(0, resumed=False)
    # 2 files in 10 s: 2 more take 10 s; 32 images in 10 s.
    assert progress.line() == "celeb: 2/4 files, 32 images, 1 rejected, 3.2 images/s, 0:00:10 left"
    assert "1/4 files" in out.getvalue()


def test_what_an_earlier_run_did_does_not_count_as_speed():
    now = [0.0]
    progress = Progress("s", 4, Terminal(), clock=lambda: now[0])
    now[0] = 6.0
    progress.add(10, resumed=True)
    progress.add(10, resumed=False)
    assert progress.line().endswith("1.7 images/s, 0:00:12 left")  # 10 in 6 s; 2 files at 6 s each


def test_nothing_is_written_to_a_file():
    out = io.StringIO()
    Progress("s", 1, out).add(1, resumed=False)
    assert out.getvalue() == ""
