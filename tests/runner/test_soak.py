"""A short piece of the soak, each time with the same chances."""
import soak


def test_nothing_is_lost_while_the_link_is_cut(fleet):
    soak.many_tasks(fleet, 150, 7)
