"""The web demo: upload a SQLite file, ask about it, read, change, run and compare the SQL.

    SENSE_MODEL=OWNER/NAME python space/app.py --port 7860

The operator's settings are environment variables, which README.md lists. Without a model the page
runs SQL only. What it does and says is in `sense.web.page`; here are its widgets.
"""

import argparse
import os
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from typing import Any, TypeAlias

import gradio as gr
import pandas as pd
from huggingface_hub import SpaceCard

from sense.ask import open_writer
from sense.command import run_script
from sense.execution import DatabaseError
from sense.result import Chart, chart_of, display_columns, display_rows
from sense.web.page import (
    MAX_QUESTION_CHARS,
    Database,
    Step,
    Write,
    answer,
    compare_html,
    read_examples,
    run,
    schema_html,
    sql_writer,
    step_html,
)
from sense.web.upload import MAX_UPLOAD_BYTES, MEGABYTE, Uploads

HERE = Path(__file__).parent
NUM_RUNS = 4
"""Visitors whose questions and queries are worked on at the same time."""
SECONDS_OF_A_SESSION = 12 * 3600
"""Files of clients that never say goodbye stay as long."""
MAX_LABEL_CHARS = 70
"""Of all labels below a chart; longer ones stand aslant."""
PROMISE = (
    f'<p class="hint">Up to {MAX_UPLOAD_BYTES // MEGABYTE} MB. Only you can ask your file here, '
    "and it is deleted when you leave.</p>"
)
PRIVATE: dict[str, Any] = {"api_visibility": "private"}

Updates: TypeAlias = dict[Any, Any]
"""Widget -> what it shows next."""


def configured_model(folder: Path = HERE) -> str:
    """SENSE_MODEL, else the folder `model` beside this file, else the model that README.md names.

    "" where there is none.
    """
    if os.environ.get("SENSE_MODEL"):
        return os.environ["SENSE_MODEL"]
    if (folder / "model").is_dir():
        return str(folder / "model")
    return next(iter(SpaceCard.load(folder / "README.md").data.get("models") or ()), "")


def bar_plot(chart: Chart | None) -> gr.BarPlot:
    """Bars in the order of the rows, hidden where the chart is none or a line."""
    if chart is None or chart.kind != "bar":
        return gr.BarPlot(visible=False)
    heights = [height for _, height in chart.points]
    return gr.BarPlot(
        sort=[name for name, _ in chart.points],
        y_lim=[min(0.0, *heights), max(0.0, *heights) * 1.05],  # bars start at zero
        **_drawn(chart),
    )


def line_plot(chart: Chart | None) -> gr.LinePlot:
    """A line in the order of time, hidden where the chart is none or bars."""
    if chart is None or chart.kind != "line":
        return gr.LinePlot(visible=False)
    return gr.LinePlot(**_drawn(chart))


def _drawn(chart: Chart) -> dict[str, Any]:
    is_crowded = sum(len(name) for name, _ in chart.points) > MAX_LABEL_CHARS
    return {
        # Fields of our own: the titles may hold signs that a field may not.
        "value": pd.DataFrame(chart.points, columns=["name", "height"]),
        "x_title": chart.x,
        "y_title": chart.y,
        "x_label_angle": -45 if is_crowded else 0,
        "height": 380 if is_crowded else 300,
        "visible": True,
    }


def build_page(
    write: Write | None, about_model: str, examples: dict[str, Database], uploads: Uploads
) -> gr.Blocks:
    """The page. about_model: a sentence on who writes the SQL and who gets to see the question."""
    first = next(iter(examples.values()))

    def shown(step: Step) -> Updates:
        execution = step.execution
        chart = chart_of(execution) if execution else None
        rows = gr.Dataframe(visible=False)
        if execution:
            value = {"headers": display_columns(execution), "data": display_rows(execution)}
            rows = gr.Dataframe(value, visible=True)
        return {
            sql: gr.skip() if step.sql is None else step.sql,
            status: step_html(step),
            table: rows,
            bars: bar_plot(chart),
            line: line_plot(chart),
        }

    def ask(text: str, asked: Database) -> Iterator[Updates]:
        for step in answer(write, text, asked):
            yield shown(step)

    def opened(chosen: Database) -> Updates:
        questions = [[text] for text in chosen.questions]
        return {
            database: chosen,
            schema: schema_html(chosen),
            samples: gr.Dataset(samples=questions, visible=bool(questions)),
            question: "",
            comparison: "",
            **shown(Step("")),
        }

    def take(path: str, request: gr.Request) -> Updates:
        session = request.session_hash or uuid.uuid4().hex
        try:
            upload = uploads.take(path, session)
        except DatabaseError as error:
            return {file: None, file_status: step_html(Step(str(error)))}
        num = len(upload.schema.tables)
        said = Step(f"{upload.name} is open: {num:,} table{'s' if num > 1 else ''}.", "good")
        chosen = Database(upload.path, upload.name, upload.schema, session=session)
        return {file: None, file_status: step_html(said), example: None, **opened(chosen)}

    def leave(request: gr.Request) -> None:
        uploads.remove(request.session_hash or "")

    with gr.Blocks(
        title="Ask a SQLite database", analytics_enabled=False, delete_cache=(600, 600)
    ) as blocks:
        database = gr.State(
            first,
            time_to_live=SECONDS_OF_A_SESSION,
            delete_callback=lambda kept: uploads.remove(kept.session),
        )
        gr.HTML(
            '<div class="intro"><h1>Ask a SQLite database</h1><p>Ask in plain words; read, change '
            f"and run the SQL that answers. {escape(about_model)}</p></div>"
        )
        with gr.Row():
            with gr.Column(scale=2, min_width=300):
                example = gr.Radio(list(examples), value=first.name, label="Example database")
                file = gr.File(label="or your own SQLite file", height=160)
                file_status = gr.HTML(PROMISE)
                schema = gr.HTML(schema_html(first), container=True)
            with gr.Column(scale=5, min_width=420):
                with gr.Row():
                    question = gr.Textbox(
                        label="Question",
                        placeholder="What would you like to know?",
                        max_length=MAX_QUESTION_CHARS,
                        autofocus=True,
                        scale=6,
                    )
                    ask_button = gr.Button(
                        "Ask", variant="primary", scale=1, min_width=90, elem_classes="ask"
                    )
                samples = gr.Dataset(
                    components=[question],
                    samples=[[text] for text in first.questions],
                    label="For example",
                )
                sql = gr.Code(
                    label="SQL", language="sql", interactive=True, lines=3, wrap_lines=True
                )
                run_button = gr.Button("Run this SQL", size="md")
                with gr.Accordion("Compare it with another query", open=False):
                    other_sql = gr.Code(
                        label="Other SQL", language="sql", interactive=True, lines=3
                    )
                    compare_button = gr.Button("Compare", size="md")
                    comparison = gr.HTML()
                status = gr.HTML()
                table = gr.Dataframe(
                    visible=False, interactive=False, datatype="str", max_height=340, label="Rows"
                )
                plot: dict[str, Any] = {"x": "name", "y": "height", "visible": False}
                bars = gr.BarPlot(**plot, label="Chart")
                line = gr.LinePlot(**plot, label="Chart")

        answered = [sql, status, table, bars, line]
        page = [database, schema, samples, question, comparison, *answered]
        work: dict[str, Any] = {"outputs": answered, "concurrency_limit": NUM_RUNS, **PRIVATE}
        example.input(lambda name: opened(examples[name]), example, page, **PRIVATE)
        file.upload(
            take,
            file,
            [file, file_status, example, *page],
            concurrency_limit=NUM_RUNS,
            **PRIVATE,
        )
        samples.click(lambda sample: sample[0], samples, question, **PRIVATE).then(
            ask, [question, database], **work
        )
        gr.on([ask_button.click, question.submit], ask, [question, database], **work)
        run_button.click(lambda text, asked: shown(run(text, asked)), [sql, database], **work)
        compare_button.click(
            compare_html,
            [sql, other_sql, database],
            comparison,
            concurrency_limit=NUM_RUNS,
            **PRIVATE,
        )
        blocks.unload(leave)
    return blocks


def main(argv: Sequence[str] | None = None) -> None:
    """`python space/app.py [--port N]`."""
    parser = argparse.ArgumentParser(
        description="Serve the page that asks SQLite databases.",
        epilog="SENSE_MODEL names the model (folder, Hub id, or a server's name for it), "
        "SENSE_BASE_URL the server that runs it; without them visitors write the SQL.",
    )
    parser.add_argument(
        "--port", type=int, help="default: GRADIO_SERVER_PORT, or the first free one from 7860"
    )
    arguments = parser.parse_args(argv)
    model, base_url = configured_model(), os.environ.get("SENSE_BASE_URL", "")
    write, about_model = None, "There is no model here: you write the SQL."
    if model or base_url:
        write = sql_writer(open_writer(model, base_url), NUM_RUNS if base_url else 1)
        about_model = f"It is written by {Path(model).name if Path(model).is_dir() else model}."
        if base_url:
            about_model += " Your question and the schema go to the server that runs this model."
    uploads = Uploads()
    with tempfile.TemporaryDirectory(prefix="sense-examples-") as folder:
        examples = read_examples(HERE / "examples", Path(folder))
        build_page(write, about_model, examples, uploads).launch(
            server_port=arguments.port,
            max_file_size=MAX_UPLOAD_BYTES,
            blocked_paths=[uploads.folder],
            run_history=False,
            ssr_mode=False,
            footer_links=[],
            theme=gr.themes.Soft(
                primary_hue="teal", font=["system-ui", "sans-serif"], font_mono=["monospace"]
            ).set(
                block_label_background_fill="transparent",
                block_title_background_fill="transparent",
                block_title_padding="0",
                block_border_width="1px",
            ),
            css_paths=HERE / "style.css",
        )


if __name__ == "__main__":
    run_script(main)
