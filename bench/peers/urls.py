"""What django-helpdesk links to in its tickets."""

from django.conf import settings
from django.urls import URLPattern, URLResolver, include, path

urlpatterns: list[URLPattern | URLResolver] = []
if "helpdesk" in settings.INSTALLED_APPS:
    urlpatterns.append(path("", include("helpdesk.urls", namespace="helpdesk")))
