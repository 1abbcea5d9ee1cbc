"""Chat templates in the shapes that real ones have, by the token that closes a turn in them."""

from __future__ import annotations

CHATML = """\
{% for message in messages %}
{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}
{%- endfor %}
{% if add_generation_prompt %}<|im_start|>assistant
{% endif %}"""
HEADERS = """\
{{ bos_token }}{% for message in messages %}
<|start_header_id|>{{ message['role'] }}<|end_header_id|>

{{ message['content'] | trim }}<|eot_id|>{% endfor %}"""
ALTERNATING = """\
{{ bos_token }}
{%- for message in messages %}
    {%- if (message.role == 'user') != (loop.index0 % 2 == 0) %}
        {{- raise_exception('roles must alternate') }}
    {%- endif %}
    {%- set role = 'model' if message.role == 'assistant' else message.role %}
    {{- '<start_of_turn>' + role + '\\n' + message.content | trim }}<end_of_turn>
{% endfor %}"""
INSTRUCT = """\
{% for message in messages %}
{% if message.role == 'user' %}[INST] {{ message.content }} [/INST]
{%- else %} {{ message.content }}{{ eos_token }}{% endif %}
{% endfor %}"""
THINKING = """\
{% for message in messages %}
<|im_start|>{{ message.role }}
{% if message.role == 'assistant' and loop.last %}<think>

</think>

{% endif %}
{{ message.content }}<|im_end|>
{% endfor %}"""
PARTS = """\
{% for message in messages %}
{{ message.role }}:
{%- for part in message.content if part.type == 'text' %} {{ part.text }}{% endfor %}
<|im_end|>
{% endfor %}"""
TOOLS = """\
{%- if tools %}{{ tools | tojson(indent=2) }}{% endif %}
{% for message in messages %}
{% if message.role == 'tool' %}{% continue %}{% endif %}
{{ strftime_now('%Y') | length }}
{% if message.role == 'assistant' %}
{% generation %}
{{ message.content }}<|im_end|>
{% endgeneration %}
{% else %}{{ message | tojson }}{% endif %}
{% endfor %}"""
PLAIN = """\
{% for message in messages %}### {{ message.role }}: {{ message.content }}

{% endfor %}"""
SYSTEM_FIRST = """\
{% if messages[0].role != 'system' %}{{ raise_exception('no system message') }}{% endif %}
{% for message in messages %}{{ message.content }}<|im_end|>{% endfor %}"""
SILENT = "{{ bos_token }}<|im_end|>"
FOREVER = """\
{% for a in range(99999) %}{% for b in range(99999) %}{% for c in range(99999) %}
{% endfor %}{% endfor %}{% endfor %}"""
HUGE = "{% set text = 'x' * 99999999999 %}{{ text }}"
ESCAPING = "{{ ''.__class__.__mro__[1].__subclasses__() }}"

CLOSED_BY = {
    CHATML: "<|im_end|>",
    HEADERS: "<|eot_id|>",
    ALTERNATING: "<end_of_turn>",
    INSTRUCT: "</s>",
    THINKING: "<|im_end|>",
    PARTS: "<|im_end|>",
    TOOLS: "<|im_end|>",
}
NOT_CLOSED = [PLAIN, SYSTEM_FIRST, SILENT, HUGE, ESCAPING]
